-- Take members out of a sorted set, unless they were given another score meanwhile.
-- KEYS: the set. ARGV: member and the score that was seen, for each.
for at = 1, #ARGV, 2 do
  local score = redis.call('ZSCORE', KEYS[1], ARGV[at])
  if score and tonumber(score) == tonumber(ARGV[at + 1]) then
    redis.call('ZREM', KEYS[1], ARGV[at])
  end
end
return 'ok'
