-- Apply one title's change of state, whole or not at all.
-- KEYS: audience, engagement, viewers, viewers of the report's day, viewers of other days.
-- ARGV: version that must be held, version after it, seconds until the keys expire, seconds until
--       those of a day do, outbox, counts of: parts of the state, report fields (-1: leave the report
--       as it is), viewers; then parts (name, bytes), report fields (name, value), and viewers
--       (number of the day's key from 4, id).
local held = redis.call('HGET', KEYS[1], 'version') or '0'
if held ~= ARGV[1] then
  return 'HELD ' .. held
end
local ttl, day_ttl = ARGV[3], ARGV[4]
local parts, fields, viewers = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
redis.call('HSET', KEYS[1], 'version', ARGV[2], 'out', ARGV[5])
local at = 9
for _ = 1, parts do
  redis.call('HSET', KEYS[1], ARGV[at], ARGV[at + 1])
  at = at + 2
end
redis.call('EXPIRE', KEYS[1], ttl)
if fields >= 0 then
  redis.call('DEL', KEYS[2])
  for _ = 1, fields do
    redis.call('HSET', KEYS[2], ARGV[at], ARGV[at + 1])
    at = at + 2
  end
end
for _ = 1, viewers do
  redis.call('PFADD', KEYS[tonumber(ARGV[at])], ARGV[at + 1])
  redis.call('PFADD', KEYS[3], ARGV[at + 1])
  at = at + 2
end
for day = 4, #KEYS do
  redis.call('EXPIRE', KEYS[day], day_ttl)
end
redis.call('EXPIRE', KEYS[3], ttl)
if fields >= 0 then
  redis.call('HSET', KEYS[2], 'viewers', redis.call('PFCOUNT', KEYS[3]),
    'viewers_today', redis.call('PFCOUNT', KEYS[4]))
  redis.call('EXPIRE', KEYS[2], ttl)
end
return 'ok'
