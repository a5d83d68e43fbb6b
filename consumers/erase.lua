-- Forget one viewer: all five keys at once. What stays is a state without any viewing.
-- KEYS: state, taste, progress, hooked, declared
-- ARGV: live, rest and sums of that state, seconds to keep it, then for each partition of the topic
--       of viewers that holds more than was read: its name, and the offset up to which to skip.
-- Returns: version, live, rest, sums, out and beats of the state that was; then 1 or 0 for each other key.
-- The version goes on, it does not begin again: a worker that still knows the viewer under any
-- earlier version loses its next compare-and-set (write.lua), however often others wrote since.
-- Nor are the offsets of what was declared forgotten: earlier records stay without effect.
local held = redis.call('HMGET', KEYS[1], 'version', 'live', 'rest', 'sums', 'out',
  'beats')
local version = (tonumber(held[1] or '0') or 0) + 1
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'version', string.format('%d', version),
  'live', ARGV[1], 'rest', ARGV[2], 'sums', ARGV[3], 'out', '')
redis.call('EXPIRE', KEYS[1], ARGV[4])
for at = 2, 4 do
  table.insert(held, redis.call('DEL', KEYS[at]))
end
local gone = redis.call('HDEL', KEYS[5], 'age_band', 'country', 'language')
table.insert(held, math.min(gone, 1))
if #ARGV > 4 then
  redis.call('HSET', KEYS[5], unpack(ARGV, 5))
end
redis.call('EXPIRE', KEYS[5], ARGV[4])
return held
