-- Gives back what was taken from limits by limit.lua for a request that was not sent.
-- KEYS     one for each limit: the time in us at which it would be empty
-- ARGV     for each limit: us for one unit; units that were taken
-- Returns  1
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
for i = 1, #KEYS do
  local taken = tonumber(redis.call('GET', KEYS[i]))
  if taken then
    local left = math.max(taken - tonumber(ARGV[2 * i - 1]) * tonumber(ARGV[2 * i]), now)
    redis.call('SET', KEYS[i], string.format('%.0f', left), 'PX', math.ceil((left - now) / 1000) + 1)
  end
end
return 1
