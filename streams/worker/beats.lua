-- What write.lua does, for viewers of whom nothing but heartbeats have come; on a cluster one of them.
-- Their keys were told how long to live when they were written otherwise.
-- KEYS: state and progress of each
-- ARGV: of each the version expected, the next one, out, beats, how many fields and values of
--       progress follow, and those.
-- Returns which of them are refused, counted from 0: their version is another.
local refused, at = {}, 1
for key = 1, #KEYS, 2 do
  local count = tonumber(ARGV[at + 4])
  if (redis.call('HGET', KEYS[key], 'version') or '0') ~= ARGV[at] then
    refused[#refused + 1] = (key - 1) / 2
  else
    redis.call('HSET', KEYS[key], 'version', ARGV[at + 1], 'out', ARGV[at + 2], 'beats', ARGV[at + 3])
    if count > 0 then
      redis.call('HSET', KEYS[key + 1], unpack(ARGV, at + 5, at + 4 + count))
    end
  end
  at = at + 5 + count
end
return refused
