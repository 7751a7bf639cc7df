-- How far a group is behind.
-- ARGV: group.
-- Returns entries ever appended, not yet delivered, delivered and not acknowledged, lost.

if redis.call('EXISTS', stream) == 0 then return {0, 0, 0, 0} end
local info = account()
for _, reply in ipairs(redis.call('XINFO', 'GROUPS', stream)) do
  local group = fields(reply)
  if group.name == ARGV[1] then
    local read = group['entries-read']
    local unread = read and info['entries-added'] - read or group.lag or info['length']
    return {info['entries-added'], unread, group.pending, tonumber(redis.call('HGET', losses, ARGV[1]) or 0)}
  end
end
return {info['entries-added'], info['length'], 0, 0}
