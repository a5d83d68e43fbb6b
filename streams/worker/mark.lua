-- Move a partition's mark and its timers on, and say who is due.
-- KEYS: mark, due
-- ARGV: offset, clock in ms, most viewers to return, count of timers to lower,
--       count of timers to set, then viewer and time for each, then viewers without a timer.
-- The mark never moves back, so a worker that lost the partition does no harm here.
local offset, clock = tonumber(ARGV[1]), tonumber(ARGV[2])
local held = tonumber(redis.call('HGET', KEYS[1], 'offset') or '-2')
if offset > held then
  redis.call('HSET', KEYS[1], 'offset', ARGV[1], 'clock_ms', ARGV[2])
elseif offset == held then
  local held_clock = tonumber(redis.call('HGET', KEYS[1], 'clock_ms') or '0')
  if clock > held_clock then
    redis.call('HSET', KEYS[1], 'clock_ms', ARGV[2])
  end
end
local lower, set = tonumber(ARGV[4]), tonumber(ARGV[5])
local at = 6
for _ = 1, lower do
  redis.call('ZADD', KEYS[2], 'LT', ARGV[at + 1], ARGV[at])
  at = at + 2
end
for _ = 1, set do
  redis.call('ZADD', KEYS[2], ARGV[at + 1], ARGV[at])
  at = at + 2
end
while ARGV[at] do
  redis.call('ZREM', KEYS[2], ARGV[at])
  at = at + 1
end
return redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', ARGV[2], 'WITHSCORES', 'LIMIT', 0, ARGV[3])
