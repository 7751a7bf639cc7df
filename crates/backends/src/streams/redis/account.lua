-- Shared by the other scripts: keeps the account of entries that are gone.
-- KEYS[1] is the stream, KEYS[2] a hash with the number of entries that each group lost.

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

-- The id before, and the id after. Sequences of generated ids are small, so doubles are exact.
local function before(id)
  local time, sequence = parts(id)
  if sequence > 0 then return number(time) .. '-' .. number(sequence - 1) end
  return number(time - 1) .. '-18446744073709551615'
end

local function after(id)
  local time, sequence = parts(id)
  return number(time) .. '-' .. number(sequence + 1)
end

local function lost(group, count)
  if count > 0 then redis.call('HINCRBY', losses, group, count) end
end

-- Counts what each group had not acknowledged of the entries that are gone, and moves the group past
-- them. A group's `entries-read` then stays the number of its last entry, counted from the first ever.
local function account()
  local info = fields(redis.call('XINFO', 'STREAM', stream))
  local removed = info['entries-added'] - info['length']
  if removed == 0 then return info end
  local first = info['first-entry']
  local gone = first and before(first[1]) or info['last-generated-id']
  for _, reply in ipairs(redis.call('XINFO', 'GROUPS', stream)) do
    local group = fields(reply)
    local read = group['entries-read']
    if read and read < removed and precedes(group['last-delivered-id'], gone) then
      redis.call('XGROUP', 'SETID', stream, group.name, gone, 'ENTRIESREAD', removed)
      lost(group.name, removed - read)
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
