-- Take a source partition over: from here on only the holder of the new token moves its mark.
-- KEYS: mark
-- ARGV: a name that no other claim has.
-- Returns: the token, then offset, clock in ms, whether the stream was live, step (nil if unset).
-- The number before the name grows with every claim, so an older token is told from one that a
-- restored Redis has forgotten.
local held = redis.call('HGET', KEYS[1], 'token') or '0:'
local number = tonumber(string.match(held, '^(%d+):')) + 1
local token = number .. ':' .. ARGV[1]
redis.call('HSET', KEYS[1], 'token', token)
return {token, unpack(redis.call('HMGET', KEYS[1], 'offset', 'clock_ms', 'live', 'step'))}
