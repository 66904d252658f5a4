"""Lua scripts that take messages out of Redis and put them back, each in one step.

``broker.redis_transport`` runs them. A message that was taken is kept in a hash under its tag,
``<SHA-1 of the message>:<name of its list>``, and the tag in a sorted set by the time it was taken.
"""

from typing import Final

RETURNED_MILLISECONDS: Final = 2 * 24 * 60 * 60 * 1000
"""How long Redis remembers what came back from workers that died, counted from the last return."""

TAKE: Final = """
local queues, most, batch_most, batch_bytes =
  tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
if redis.replicate_commands then redis.replicate_commands() end
local now = redis.call('TIME')
local noted, index, returned = KEYS[#KEYS - 2], KEYS[#KEYS - 1], KEYS[#KEYS]
local taken, takes, had = {}, 0, {}
local any_returned = redis.call('EXISTS', returned) == 1
local function take(key)
  local raw = redis.pcall('LINDEX', key, -1)
  if type(raw) ~= 'string' then return nil end
  -- Without memory Redis refuses a first write that gives something; this one takes away.
  if #taken == 0 then redis.call('HDEL', noted, '') end
  local mine = redis.sha1hex(raw) .. ':' .. key
  local micros = math.min(now[2] + #taken / 3, 999999)
  redis.call('HSET', noted, mine, raw)
  redis.call('ZADD', index, now[1] .. '.' .. string.format('%06d', micros), mine)
  redis.call('RPOP', key)
  taken[#taken + 1] = mine
  taken[#taken + 1] = raw
  taken[#taken + 1] = any_returned and redis.call('SISMEMBER', returned, mine) or 0
  return #raw
end
for first = 1, #KEYS - 3, queues do
  repeat
    local came = false
    for k = first, first + queues - 1 do
      local size = takes < most and not had[k] and take(KEYS[k])
      if size then
        came, takes = true, takes + 1
        if ARGV[5 + k - first] == '1' then
          had[k] = true
          local number, bytes = 1, size
          while size and number < batch_most and bytes < batch_bytes do
            size = take(KEYS[k])
            number, bytes = number + 1, bytes + (size or 0)
          end
        end
      end
    end
  until not came
end
return taken
"""
"""Takes messages from the lists, one from each in turn, and from lists of a higher priority first.

``KEYS`` are the lists, ordered by priority and then by queue, then the hash, the sorted set and the set of what
came back. ``ARGV``: how many queues there are; how many messages to take at most; how many messages and bytes
of one batched queue count as one message; then 1 for each queue that is batched, else 0. The answer has three
values for each message: its tag, the message, and whether it came back from a worker that died.

A script that fails half way is not undone, so a message leaves its list last. The tag depends on the content
and the list alone: a message that was handed out twice is ended for all by the first that is done.
"""

_HAND_BACK: Final = (
    """
redis.call('HDEL', noted, '')
for _, mine in ipairs(tags) do
  local raw = redis.call('HGET', noted, mine)
  local done = raw and redis.pcall(push, string.match(mine, '^[^:]*:(.*)$'), raw)
  if type(done) == 'table' then
    redis.call('ZADD', index, 'XX', now, mine)
  else
    if raw and returned then redis.pcall('SADD', returned, mine) end
    redis.call('ZREM', index, mine)
    redis.call('HDEL', noted, mine)
  end
end
if returned and #tags > 0 then redis.pcall('PEXPIRE', returned, """
    + str(RETURNED_MILLISECONDS)
    + """) end
return #tags
"""
)

_BEGIN: Final = """
local noted, index, push = KEYS[1], KEYS[2], ARGV[1]
if redis.replicate_commands then redis.replicate_commands() end
local now = redis.call('TIME')[1]
"""

HAND_BACK: Final = (
    _BEGIN
    + """
local tags, returned = {}, nil
for n = 2, #ARGV do tags[#tags + 1] = ARGV[n] end
"""
    + _HAND_BACK
)
"""Puts messages back into their lists. ``ARGV``: ``LPUSH`` or ``RPUSH``, then their tags.

A message that its list does not take stays in the hash, for another try.
"""

HAND_BACK_OLD: Final = (
    _BEGIN
    + """
local before, returned = now - tonumber(ARGV[2]), KEYS[3]
local ahead = redis.call('ZRANGEBYSCORE', index, '(' .. (now + 1), '+inf', 'LIMIT', 0, ARGV[4])
if #ahead > 0 then redis.call('HDEL', noted, '') end
for _, mine in ipairs(ahead) do redis.call('ZADD', index, 'XX', now, mine) end
local tags = redis.call('ZREVRANGEBYSCORE', index, before, '-inf', 'LIMIT', 0, ARGV[3])
"""
    + _HAND_BACK
)
"""Puts back the messages that were taken too long ago, the newest first, as the last one is taken next.

``ARGV``: ``RPUSH``; the visibility timeout in seconds; the greatest number of messages; the greatest number of
times ahead of Redis's clock to correct. As far as anybody can know, the workers that had them have died; Redis
remembers that for two days.

Redis's own clock decides what is long ago: a worker whose clock is wrong takes nothing from others. Where
Redis's clock was set back, messages that had been taken before lie ahead of it. They count as taken now: what a
dead worker has stays away for no longer than after a death, and what a live one has is not handed out a second
time.
"""

MARK_RETURNED: Final = f"""
redis.call('HDEL', KEYS[1], '')
for _, mine in ipairs(ARGV) do redis.call('SADD', KEYS[3], mine) end
return redis.call('PEXPIRE', KEYS[3], {RETURNED_MILLISECONDS})
"""
"""Remembers that messages came back. ``ARGV``: their tags.

A Redis without memory runs it too, because its first write takes no space.
"""
