-- Delivers again what this consumer had read in an earlier life and never acknowledged.
-- ARGV: group, consumer, id after which to look, how many at most.
-- Returns the last id looked at ('' at the end) and {id, deliveries, fields} for each entry.

local group, consumer, most = ARGV[1], ARGV[2], tonumber(ARGV[4])
local ids, deliveries = {}, {}
for i, pending in ipairs(redis.call('XPENDING', stream, group, '(' .. ARGV[3], '+', most, consumer)) do
  ids[i] = pending[1]
  deliveries[pending[1]] = pending[4] + 1
end
if #ids == 0 then return {'', {}} end
local command = {'XCLAIM', stream, group, consumer, 0}
for _, id in ipairs(ids) do command[#command + 1] = id end
local found = {}
for i, entry in ipairs(redis.call(unpack(command))) do found[i] = {entry[1], deliveries[entry[1]], entry[2]} end
lost(group, #ids - #found)
return {ids[#ids], found}
