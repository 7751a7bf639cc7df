-- Creates a group at the start of the stream, and the stream, unless they are there.
-- ARGV: group.

local start = '0'
if redis.call('EXISTS', stream) == 1 then
  local info = account()
  local removed = info['entries-added'] - info['length']
  if removed > 0 then start = gone_to(info, removed) end
end
local reply = redis.pcall('XGROUP', 'CREATE', stream, ARGV[1], start, 'MKSTREAM')
if type(reply) == 'table' and reply.err and not reply.err:find('BUSYGROUP') then return reply end
return 1
