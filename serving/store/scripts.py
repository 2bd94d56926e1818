"""What the Redis store does in one step on the server, so that nobody sees half of it.

Of a user there are a hash ``u:`` (epoch, position, and for each of two models m, e, p, b: its
number, epoch, position and body of its state), a list ``l:`` of events (position, a space, JSON)
and a hash ``i:`` of event ids. Of all together: ``users``, sorted by when they came, ``models``,
and the counters ``came`` and ``forgettings``. The first argument is what stands before every key.
"""

from typing import Final

# Then three for each event: user, event id ("" for none, else "=" and the id), JSON.
# Returns positions, negative for those of repeated ids.
APPEND: Final = """
local pre, out = ARGV[1], {}
for at = 2, #ARGV, 3 do
    local user, id, event = ARGV[at], ARGV[at + 1], ARGV[at + 2]
    local head, known = pre .. 'u:' .. user, false
    if id ~= '' then known = redis.call('HGET', pre .. 'i:' .. user, id) end
    if known then
        out[#out + 1] = -tonumber(known)
    else
        if redis.call('EXISTS', head) == 0 then
            local epoch = tonumber(redis.call('GET', pre .. 'forgettings') or 0) + 1
            redis.call('HSET', head, 'epoch', epoch)
            redis.call('ZADD', pre .. 'users', redis.call('INCR', pre .. 'came'), user)
        end
        local position = redis.call('HINCRBY', head, 'position', 1)
        redis.call('RPUSH', pre .. 'l:' .. user, string.format('%d ', position) .. event)
        if id ~= '' then redis.call('HSET', pre .. 'i:' .. user, id, position) end
        out[#out + 1] = position
    end
end
return out
"""
# Then the model and users. Returns of each epoch, position, kept position, body, later events.
READ: Final = """
local pre, out = ARGV[1], {}
local number = redis.call('HGET', pre .. 'models', ARGV[2])
local place = number and number % 2 or 0
for at = 3, #ARGV do
    local user = ARGV[at]
    local head = redis.call('HMGET', pre .. 'u:' .. user, 'epoch', 'position',
        'm' .. place, 'e' .. place, 'p' .. place, 'b' .. place)
    if head[1] then
        local kept = number and head[3] == number and head[4] == head[1]
        local later = tonumber(head[2]) - (kept and tonumber(head[5]) or 0)
        local after = {}
        if later > 0 then after = redis.call('LRANGE', pre .. 'l:' .. user, -later, -1) end
        out[#out + 1] = {tonumber(head[1]), tonumber(head[2]),
            kept and tonumber(head[5]) or false, kept and head[6] or false, after}
    else
        out[#out + 1] = false
    end
end
return out
"""
# Then five for each state: user, model, epoch, position, body.
KEEP: Final = """
local pre = ARGV[1]
for at = 2, #ARGV, 5 do
    local head, model, body = pre .. 'u:' .. ARGV[at], ARGV[at + 1], ARGV[at + 4]
    local epoch, position = ARGV[at + 2], ARGV[at + 3]
    local number = redis.call('HGET', pre .. 'models', model)
    if not number then
        number = string.format('%d', redis.call('HLEN', pre .. 'models') + 1)
        redis.call('HSET', pre .. 'models', model, number)
    end
    local place = number % 2
    local m, e, p, b = 'm' .. place, 'e' .. place, 'p' .. place, 'b' .. place
    local now = redis.call('HMGET', head, 'epoch', 'position', m, e, p)
    if now[1] == epoch and tonumber(now[2]) >= tonumber(position) and (now[3] ~= number
            or now[4] ~= epoch or tonumber(now[5]) < tonumber(position)) then
        redis.call('HSET', head, m, number, e, epoch, p, position, b, body)
    end
end
"""
# Then users. Returns how many events each had. A full server lets a script that has deleted go on.
FORGET: Final = """
local pre, out = ARGV[1], {}
for at = 2, #ARGV do
    local user = ARGV[at]
    out[#out + 1] = redis.call('LLEN', pre .. 'l:' .. user)
    redis.call('DEL', pre .. 'u:' .. user, pre .. 'l:' .. user, pre .. 'i:' .. user)
    redis.call('ZREM', pre .. 'users', user)
end
redis.call('INCR', pre .. 'forgettings')
return out
"""
# Then a user and an item. Returns how many events there were.
FORGET_ITEM: Final = """
local pre, user, item = ARGV[1], ARGV[2], ARGV[3]
local head, list, ids = pre .. 'u:' .. user, pre .. 'l:' .. user, pre .. 'i:' .. user
local left, gone = {}, {}
for _, entry in ipairs(redis.call('LRANGE', list, 0, -1)) do
    local event = cjson.decode(string.sub(entry, string.find(entry, ' ', 1, true) + 1))
    if event[1] == item then gone[#gone + 1] = event[4] else left[#left + 1] = entry end
end
if #gone == 0 then return 0 end
redis.call('DEL', list)
for _, entry in ipairs(left) do redis.call('RPUSH', list, entry) end
for _, id in ipairs(gone) do
    if id ~= cjson.null then redis.call('HDEL', ids, '=' .. id) end
end
redis.call('HDEL', head, 'm0', 'e0', 'p0', 'b0', 'm1', 'e1', 'p1', 'b1')
redis.call('HSET', head, 'epoch', redis.call('INCR', pre .. 'forgettings') + 1)
return #gone
"""
