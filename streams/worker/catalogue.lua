-- Take titles into the catalogue that workers load; a title that did not change is no news.
-- KEYS: facts, changes, marks
-- ARGV: for each title its id, source partition and offset, and facts ('' removes the title).
-- Returns: the number of the last change, then for each title 1, or 0 for a record that a later one
-- of the same source has overtaken: a worker that lost the partition must not bring it back.
-- The field '' of the facts counts changes.
local taken = {}
for at = 1, #ARGV, 4 do
  local title, source, offset, facts = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3]
  local place = title .. '\0' .. source
  local mark = tonumber(redis.call('HGET', KEYS[3], place) or '-1')
  if tonumber(offset) < mark then
    table.insert(taken, 0)
  else
    redis.call('HSET', KEYS[3], place, offset)
    table.insert(taken, 1)
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
end
return {redis.call('HGET', KEYS[1], '') or '0', unpack(taken)}
