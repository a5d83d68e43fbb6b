-- Take in what a viewer has declared, unless this record of its source, or a later one, was before.
-- KEYS: declared
-- ARGV: source partition, offset, seconds to live, then fields and values (none: all withdrawn).
-- Returns: 1, or 0 for a record that changes nothing.
-- Beside what is declared, the key holds the offset taken in last of each source partition.
if tonumber(ARGV[2]) <= tonumber(redis.call('HGET', KEYS[1], ARGV[1]) or '-1') then
  return 0
end
redis.call('HDEL', KEYS[1], 'age_band', 'country', 'language')
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2], unpack(ARGV, 4))
redis.call('EXPIRE', KEYS[1], ARGV[3])
return 1
