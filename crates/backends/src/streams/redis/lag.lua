-- How far a group is behind.
-- ARGV: group.
-- Returns entries ever appended, not yet delivered, delivered and not acknowledged, lost.

if redis.call('EXISTS', stream) == 0 then return {0, 0, 0, 0} end
local info = account()
for _, reply in ipairs(redis.call('XINFO', 'GROUPS', stream)) do
  local group = fields(reply)
  if group.name == ARGV[1] then
    local read = passed(group)
    local unread = read and math.max(info['entries-added'] - read, 0) or group.lag or info['length']
    return {info['entries-added'], unread, group.pending, tonumber(redis.call('HGET', losses, ARGV[1]) or 0)}
  end
end
return {info['entries-added'], info['length'], 0, 0}
