-- Move a partition's mark and its timers on; say who is due, and when the next one after them is.
-- KEYS: mark, due
-- ARGV: token ('' for a source that nobody claims), step of the last move,
--       offset, clock in ms, live (0 or 1), most viewers to return, count of timers to lower,
--       count of timers to set, then viewer and time for each, then viewers without a timer.
-- A worker that lost the partition is refused before anything changes; so is one that remembers
-- more than this Redis does.
local token, step = ARGV[1], tonumber(ARGV[2])
if token ~= '' then
  local held = redis.call('HGET', KEYS[1], 'token') or '0:'
  if held ~= token then
    local mine, theirs = string.match(token, '^(%d+):'), string.match(held, '^(%d+):')
    if tonumber(theirs) >= tonumber(mine) then
      return redis.error_reply('FENCED the partition is held under ' .. held)
    end
    return redis.error_reply('WENTBACK the claim ' .. token .. ' is forgotten')
  end
  local moved = tonumber(redis.call('HGET', KEYS[1], 'step') or '0')
  if moved < step then
    return redis.error_reply('WENTBACK to move ' .. moved .. ' of ' .. step)
  end
  redis.call('HSET', KEYS[1], 'step', step + 1)
end
local offset, clock = tonumber(ARGV[3]), tonumber(ARGV[4])
local at_offset = tonumber(redis.call('HGET', KEYS[1], 'offset') or '-2')
local at_clock = tonumber(redis.call('HGET', KEYS[1], 'clock_ms') or '0')
if offset > at_offset or (offset == at_offset and clock > at_clock) then
  redis.call('HSET', KEYS[1], 'offset', ARGV[3], 'clock_ms', ARGV[4], 'live', ARGV[5])
end
local lower, set = tonumber(ARGV[7]), tonumber(ARGV[8])
local at = 9
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
local due = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', ARGV[4], 'WITHSCORES', 'LIMIT', 0, ARGV[6])
local after = redis.call('ZRANGE', KEYS[2], #due / 2, #due / 2, 'WITHSCORES')
return {due, after[2] or ''}
