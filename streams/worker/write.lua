-- One viewer's compare-and-set: private state and public keys, all or nothing.
-- KEYS: state, progress, and taste and hooked unless nothing but heartbeats have come
-- ARGV: expected version ('0' for none), next version, out, beats (of a live that is kept); then
--       with two keys, fields and values of progress;
--       with four, seconds to live, live ('' keeps it), rest ('' keeps), sums ('' keeps), and five
--       counts: taste fields and values ('-1' keeps), progress ..., progress gone, hooked ..., hooked
--       gone; then the items in that order.
local held = redis.call('HGET', KEYS[1], 'version') or '0'
if held ~= ARGV[1] then
  return held
end
if #KEYS == 2 then
  redis.call('HSET', KEYS[1], 'version', ARGV[2], 'out', ARGV[3], 'beats', ARGV[4])
  if ARGV[5] then
    redis.call('HSET', KEYS[2], unpack(ARGV, 5))
  end
  return 'ok'
end
local ttl = ARGV[5]
if ARGV[6] ~= '' then
  redis.call('HSET', KEYS[1], 'version', ARGV[2], 'out', ARGV[3], 'live', ARGV[6])
  redis.call('HDEL', KEYS[1], 'beats')
else
  redis.call('HSET', KEYS[1], 'version', ARGV[2], 'out', ARGV[3], 'beats', ARGV[4])
end
if ARGV[7] ~= '' then
  redis.call('HSET', KEYS[1], 'rest', ARGV[7])
end
if ARGV[8] ~= '' then
  redis.call('HSET', KEYS[1], 'sums', ARGV[8])
end
local at = 14
local function run(command, key, count)
  if count > 0 then
    redis.call(command, key, unpack(ARGV, at, at + count - 1))
    at = at + count
  end
end
local taste = tonumber(ARGV[9])
if taste >= 0 then
  redis.call('DEL', KEYS[3])
  run('HSET', KEYS[3], taste)
end
run('HSET', KEYS[2], tonumber(ARGV[10]))
run('HDEL', KEYS[2], tonumber(ARGV[11]))
run('HSET', KEYS[4], tonumber(ARGV[12]))
run('HDEL', KEYS[4], tonumber(ARGV[13]))
for _, key in ipairs(KEYS) do
  redis.call('EXPIRE', key, ttl)
end
return 'ok'
