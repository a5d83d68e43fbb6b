-- Take titles into the catalogue that workers load; a title that did not change is no news.
-- KEYS: facts, changes
-- ARGV: pairs of title id and facts ('' removes the title).
-- The field '' of the facts counts changes.
for at = 1, #ARGV, 2 do
  local title, facts = ARGV[at], ARGV[at + 1]
  local held = redis.call('HGET', KEYS[1], title) or ''
  if held ~= facts then
    if facts == '' then
      redis.call('HDEL', KEYS[1], title)
    else
      redis.call('HSET', KEYS[1], title, facts)
    end
    redis.call('ZADD', KEYS[2], redis.call('HINCRBY', KEYS[1], '', 1), title)
  end
end
return redis.call('HGET', KEYS[1], '') or '0'
