-- Takes over entries that were delivered a while ago and not acknowledged.
-- ARGV: group, consumer, milliseconds, how many at most.
-- Returns {id, deliveries, fields} for each.

local group, consumer, idle, most = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local found, cursor = {}, '0-0'
repeat
  local reply = redis.call('XAUTOCLAIM', stream, group, consumer, idle, cursor, 'COUNT', most - #found)
  cursor = reply[1]
  for _, entry in ipairs(reply[2]) do
    local pending = redis.call('XPENDING', stream, group, entry[1], entry[1], 1)[1]
    found[#found + 1] = {entry[1], pending[4], entry[2]}
  end
  lost(group, #reply[3])
until cursor == '0-0' or #found >= most
return found
