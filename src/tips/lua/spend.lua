-- Stores a replica's totals of a day's spending, and grants it more.
-- KEYS     the day: a hash of replica to its totals (version, settled, taken, granted), and `lacked`: when totals were last found missing
-- ARGV     replica; its totals: it takes no more than it was granted; how much more it needs, 0 for no request;
--          the limit, -1 for none; how many replicas there may be; then other replicas, each with the totals that this one knows of it
-- Returns  {granted, other replica, its totals, ...}; granted is -1 if Redis has totals of this replica with the same or a higher version
local function numbers(text)
  local all = {}
  for number in string.gmatch(text, '%-?%d+') do all[#all + 1] = tonumber(number) end
  return all
end
local stands = {}
local kind = redis.call('TYPE', KEYS[1]).ok
-- Delete a key that another program wrote, and a hash with more fields than a fleet has replicas.
if kind ~= 'none' and (kind ~= 'hash' or redis.call('HLEN', KEYS[1]) > 4096) then redis.call('DEL', KEYS[1]) end
local heard = redis.call('HGETALL', KEYS[1])
local is_new = #heard == 0
local time = redis.call('TIME')
local now, lacked = time[1] * 1000 + math.floor(time[2] / 1000), nil
for i = 1, #heard, 2 do
  if heard[i] == 'lacked' then
    lacked = tonumber(heard[i + 1])
  elseif #numbers(heard[i + 1]) == 4 then
    stands[heard[i]] = heard[i + 1]
  else
    redis.call('HDEL', KEYS[1], heard[i])
  end
end
-- Restore totals that Redis lost from what this replica knows: those with a higher version count.
local is_lacking = false
for i = 6, #ARGV, 2 do
  local known = stands[ARGV[i]]
  if not known or numbers(known)[1] < numbers(ARGV[i + 1])[1] then
    stands[ARGV[i]] = ARGV[i + 1]
    redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
    is_lacking = true
  end
end
local own, before = numbers(ARGV[2]), stands[ARGV[1]]
stands[ARGV[1]] = nil
local granted = math.max(own[4], own[3])
local limit, by_others = tonumber(ARGV[4]), 0
local answer = {granted}
for name, standing in pairs(stands) do
  -- A negative grant must not give others money.
  by_others = by_others + math.max(numbers(standing)[4], 0)
  answer[#answer + 1] = name
  answer[#answer + 1] = standing
end
if before and numbers(before)[1] >= own[1] then
  answer[1] = -1
  return answer
end
-- A grant larger than Redis knows means that Redis lost data. If no replica is known, it may have lost everything, and
-- the first to report may be a replica without a grant. In its first minute a day has no data to lose.
if own[4] > (before and numbers(before)[4] or 0) then is_lacking = true end
if is_new and now % 86400000 >= 60000 then is_lacking = true end
-- Other replicas may hold more than Redis knows. All that spend report every two seconds, and probe a lost Redis every five.
local is_known = not lacked or math.abs(now - lacked) >= 8000
if is_lacking and is_known then
  redis.call('HSET', KEYS[1], 'lacked', string.format('%.0f', now))
  is_known = false
end
local need, left = tonumber(ARGV[3]), limit - by_others - own[3]
if limit >= 0 and need > 0 and need <= left and is_known then
  local replicas = tonumber(ARGV[5])
  -- Grant a share beyond the need, for requests while Redis is away; none on a new day, before all replicas could report.
  local share = is_new and 0 or math.floor(math.min(left / (2 * replicas), limit / (16 * replicas)))
  granted = math.max(granted, own[3] + math.min(left, math.max(need, share)))
  answer[1] = granted
end
redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f %.0f %.0f %.0f', own[1], own[2], own[3], granted))
redis.call('EXPIRE', KEYS[1], 172800)
return answer
