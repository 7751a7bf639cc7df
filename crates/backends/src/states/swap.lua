-- Sets or takes out a value if the key still has the expected one.
-- KEYS: the key. ARGV: 1 and the expected value, or 0 and anything; 1 and the new value, or 0 and
-- anything; time to live in milliseconds.

if redis.call('GET', KEYS[1]) ~= (ARGV[1] == '1' and ARGV[2]) then return 0 end
if ARGV[3] == '1' then
  redis.call('SET', KEYS[1], ARGV[4], 'PX', ARGV[5])
else
  redis.call('DEL', KEYS[1])
end
return 1
