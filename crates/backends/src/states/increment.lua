-- Adds to a number. Sums beyond the range stay at its end, and a new number gets its time.
-- KEYS: the key. ARGV: what to add, time to live in milliseconds.

local sum = redis.pcall('INCRBY', KEYS[1], ARGV[1])
if type(sum) == 'table' and sum.err then
  if not sum.err:find('overflow') then return sum end
  local limit = ARGV[1]:sub(1, 1) == '-' and '-9223372036854775808' or '9223372036854775807'
  redis.call('SET', KEYS[1], limit, 'KEEPTTL')
end
if redis.call('PTTL', KEYS[1]) == -1 then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
-- As text: numbers of this language are exact up to 2^53 only.
return redis.call('GET', KEYS[1])
