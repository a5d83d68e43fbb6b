-- Forget one viewer: all four keys at once. What stays is a state without any viewing.
-- KEYS: state, taste, progress, hooked
-- ARGV: live, rest and sums of that state, seconds to keep it.
-- Returns: version, live, rest, sums and out of the state that was; then 1 or 0 for each other key.
-- The version goes on, it does not begin again: a worker that still knows the viewer under any
-- earlier version loses its next compare-and-set (write.lua), however often others wrote since.
local held = redis.call('HMGET', KEYS[1], 'version', 'live', 'rest', 'sums', 'out')
local version = (tonumber(held[1] or '0') or 0) + 1
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'version', string.format('%d', version),
  'live', ARGV[1], 'rest', ARGV[2], 'sums', ARGV[3], 'out', '')
redis.call('EXPIRE', KEYS[1], ARGV[4])
for at = 2, 4 do
  table.insert(held, redis.call('DEL', KEYS[at]))
end
return held
