-- What a viewer has declared. It lives on for as long as the viewer watches.
-- KEYS: declared
-- ARGV: seconds to live
-- Returns: age band, country, language; nil for what is not declared.
-- A key that holds nothing but offsets is not kept for longer; and half the time is enough to go by,
-- so that a look is hardly ever a write.
local held = redis.call('HMGET', KEYS[1], 'age_band', 'country', 'language')
if (held[1] or held[2] or held[3]) and redis.call('TTL', KEYS[1]) < ARGV[1] / 2 then
  redis.call('EXPIRE', KEYS[1], ARGV[1])
end
return held
