-- Takes from several limits at once, or from none: the generic cell rate algorithm, by this server's clock.
-- KEYS     pause, then one for each limit: the time in us at which it would be empty
-- ARGV     for each limit: us for one unit; units in a burst; units wanted
-- Returns  0, or how long to wait in us; less than 0 for a pause, of so many us
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
-- No pause of ours is longer than a day.
local pause = redis.call('PTTL', KEYS[1])
if pause > 0 and pause <= 86400000 then return -pause * 1000 end
local wait = 0
local full = {}
for i = 2, #KEYS do
  local at = 3 * (i - 2)
  local unit, burst, wanted = tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3])
  local taken, most = math.max(tonumber(redis.call('GET', KEYS[i])) or now, now), now + unit * burst
  if taken > most then
    -- A lower limit left more than a burst of this one; from here on it empties as a whole burst does.
    taken = most
    redis.call('SET', KEYS[i], string.format('%.0f', taken), 'PX', math.ceil((taken - now) / 1000) + 1)
  end
  full[i] = taken + unit * wanted
  wait = math.max(wait, full[i] - now - unit * burst)
end
if wait > 0 then return math.ceil(wait) end
for i = 2, #KEYS do
  redis.call('SET', KEYS[i], string.format('%.0f', full[i]), 'PX', math.ceil((full[i] - now) / 1000) + 1)
end
return 0
