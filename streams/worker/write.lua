-- One viewer's compare-and-set: private state and public keys, all or nothing.
-- KEYS: state, taste, progress, hooked
-- ARGV: expected version ('0' for none), next version, seconds to live, live ('' keeps it), rest (''
--       keeps), sums ('' keeps), out, beats (of a live that is kept), then five counts: taste fields
--       and values ('-1' keeps), progress ..., progress gone, hooked ..., hooked gone; then the items
--       in that order.
local held = redis.call('HGET', KEYS[1], 'version') or '0'
if held ~= ARGV[1] then
  return held
end
local ttl = ARGV[3]
if ARGV[4] ~= '' then
  redis.call('HSET', KEYS[1], 'version', ARGV[2], 'out', ARGV[7], 'live', ARGV[4])
  redis.call('HDEL', KEYS[1], 'beats')
else
  redis.call('HSET', KEYS[1], 'version', ARGV[2], 'out', ARGV[7], 'beats', ARGV[8])
end
if ARGV[5] ~= '' then
  redis.call('HSET', KEYS[1], 'rest', ARGV[5])
end
if ARGV[6] ~= '' then
  redis.call('HSET', KEYS[1], 'sums', ARGV[6])
end
redis.call('EXPIRE', KEYS[1], ttl)
local at = 14
local function run(command, key, count)
  if count > 0 then
    redis.call(command, key, unpack(ARGV, at, at + count - 1))
    at = at + count
  end
end
local taste = tonumber(ARGV[9])
if taste >= 0 then
  redis.call('DEL', KEYS[2])
  run('HSET', KEYS[2], taste)
end
redis.call('EXPIRE', KEYS[2], ttl)
run('HSET', KEYS[3], tonumber(ARGV[10]))
run('HDEL', KEYS[3], tonumber(ARGV[11]))
redis.call('EXPIRE', KEYS[3], ttl)
local hooked = tonumber(ARGV[12])
run('HSET', KEYS[4], hooked)
run('HDEL', KEYS[4], tonumber(ARGV[13]))
redis.call('EXPIRE', KEYS[4], ttl)
return 'ok'
