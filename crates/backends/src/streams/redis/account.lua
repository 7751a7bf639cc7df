-- Shared by the other scripts: keeps the account of entries that are gone.
-- KEYS[1] is the stream, KEYS[2] a hash with the number of entries that each group lost.
--
-- Ids are TIME-NUMBER, where NUMBER counts the entries ever appended. So the id that a group read last
-- says how many entries it passed; the server's own count of that does not survive restarts.

local stream, losses = KEYS[1], KEYS[2]

-- A reply {'a', 1, 'b', 2} as a table.
local function fields(reply)
  local found = {}
  for i = 1, #reply, 2 do found[reply[i]] = reply[i + 1] end
  return found
end

local function parts(id)
  local time, sequence = id:match('^(%d+)-(%d+)$')
  return tonumber(time), tonumber(sequence)
end

local function precedes(a, b)
  local time_a, sequence_a = parts(a)
  local time_b, sequence_b = parts(b)
  return time_a < time_b or (time_a == time_b and sequence_a < sequence_b)
end

local function number(value) return string.format('%.0f', value) end

-- Ids are compared as doubles: numbers stay far below 2^53.
local function after(id)
  local time, sequence = parts(id)
  return number(time) .. '-' .. number(sequence + 1)
end

-- The last id before the first entry, of a stream from whose start so many entries were removed. Other
-- writers' ids may begin anew with 0.
local function gone_to(info, removed)
  local first = info['first-entry']
  if not first then return info['last-generated-id'] end
  local time, sequence = parts(first[1])
  if sequence > 0 then return number(time) .. '-' .. number(sequence - 1) end
  return number(time - 1) .. '-' .. number(removed)
end

-- How many entries lie before what the group reads next; false if another writer's id hides it.
local function passed(group)
  local id = group['last-delivered-id']
  local _, sequence = parts(id)
  if sequence > 0 or id == '0-0' then return sequence end
  return group['entries-read']
end

local function lost(group, count)
  if count > 0 then redis.call('HINCRBY', losses, group, count) end
end

-- Counts what each group had not acknowledged of the entries that are gone, and moves the group past
-- them. Returns the stream's description.
local function account()
  local info = fields(redis.call('XINFO', 'STREAM', stream))
  local removed = info['entries-added'] - info['length']
  if removed == 0 then return info end
  local gone = gone_to(info, removed)
  for _, reply in ipairs(redis.call('XINFO', 'GROUPS', stream)) do
    local group = fields(reply)
    local read = passed(group)
    if precedes(group['last-delivered-id'], gone) then
      redis.call('XGROUP', 'SETID', stream, group.name, gone, 'ENTRIESREAD', removed)
      if read then lost(group.name, removed - read) end
    end
    repeat
      local ids = {}
      for i, pending in ipairs(redis.call('XPENDING', stream, group.name, '-', gone, 1000)) do ids[i] = pending[1] end
      if #ids > 0 then redis.call('XACK', stream, group.name, unpack(ids)) end
      lost(group.name, #ids)
    until #ids == 0
  end
  return info
end
