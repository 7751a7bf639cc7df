-- Creates a group at the start of the stream, and the stream, unless they are there.
-- ARGV: group.

local removed = 0
if redis.call('EXISTS', stream) == 1 then
  local info = account()
  removed = info['entries-added'] - info['length']
end
local reply = redis.pcall('XGROUP', 'CREATE', stream, ARGV[1], '0', 'MKSTREAM', 'ENTRIESREAD', removed)
if type(reply) == 'table' and reply.err and not reply.err:find('BUSYGROUP') then return reply end
return 1
