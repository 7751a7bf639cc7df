-- Appends a batch, or nothing if it does not fit.
-- ARGV: limit, entries to retain, policy at the limit, version, encoding, payload…
-- Returns the number of appended entries, or -1 if the stream is full.

local limit, retain, policy = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3]
local adding = #ARGV - 5

-- The first id that some group still needs; false if there is no group.
local function needed()
  local first = false
  for _, reply in ipairs(redis.call('XINFO', 'GROUPS', stream)) do
    local group = fields(reply)
    local oldest = group.pending > 0 and redis.call('XPENDING', stream, group.name)[2]
    local id = oldest or after(group['last-delivered-id'])
    if not first or precedes(id, first) then first = id end
  end
  return first
end

local length = redis.call('XLEN', stream)
if length > 0 and length + adding > retain then
  local first = needed()
  local exactly = length + adding > limit and '=' or '~'
  if first then length = length - redis.call('XTRIM', stream, 'MINID', exactly, first) end
end
if length > 0 and length + adding > limit then
  if policy ~= 'drop-oldest' then return -1 end
  redis.call('XTRIM', stream, 'MAXLEN', '~', math.max(limit - adding, 0))
  account()
end

local now = redis.call('TIME')
local time, count = now[1] * 1000 + math.floor(now[2] / 1000), 0
if redis.call('EXISTS', stream) == 1 then
  local info = fields(redis.call('XINFO', 'STREAM', stream))
  local last, sequence = parts(info['last-generated-id'])
  -- The clock may have been set back, and other writers may count differently.
  time, count = math.max(time, last), info['entries-added']
  if time == last and sequence > count then time = time + 1 end
end
for i = 6, #ARGV do
  local id = number(time) .. '-' .. number(count + i - 5)
  redis.call('XADD', stream, id, 'v', ARGV[4], 'content-type', ARGV[5], 'event', ARGV[i])
end
return adding
