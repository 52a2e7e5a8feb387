-- One step of the limits that gateways share: take what a process used and gives back, drop what the dead have left,
-- and lease to it what it needs, if that is there. Redis runs it as one step, so no two see the same unit.
--
-- KEYS[1]  the hash of one subject's limits
-- ARGV[1]  JSON: worker, known, ttl (ms), limits, burst, used, back, need, ahead, rest, now (ms; tests only)
-- returns  JSON: lost | granted, free, and where it is refused: lack, wait (ms), waiting
--
-- Limits: c calls at once, s calls a second (a bucket), m calls and k tokens a minute, d calls and e tokens a day.
-- Fields: m:SECOND and k:SECOND amounts of a second; d e amounts of `day`; level, filled of the bucket;
--         l:LIMIT:WORKER what a worker has leased; a:WORKER the last wish that it answered; wanted; t the last time.
-- A minute counts whole seconds, 61 of them, so that no 60 seconds ever see more than a limit.

local key, ask = KEYS[1], cjson.decode(ARGV[1])
local time = redis.call('TIME')
local now = ask.now or (tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000))
local second, today = math.floor(now / 1000), math.floor(now / 86400000)
local alive = 'workbench:alive:'
local WINDOW, IDLE_SECONDS = 61, 172800

local found = redis.call('HGETALL', key)
local h = {}
for i = 1, #found, 2 do h[found[i]] = tonumber(found[i + 1]) end
local function set(field, value)
  if value == nil or (value == 0 and field ~= 'level') then
    if h[field] ~= nil then redis.call('HDEL', key, field) end
    h[field] = nil
  else
    redis.call('HSET', key, field, string.format('%.17g', value))
    h[field] = value
  end
end
local function add(field, amount) set(field, (h[field] or 0) + amount) end

if ask.known and redis.call('EXISTS', alive .. ask.worker) == 0 then
  return cjson.encode({lost = true})
end
redis.call('SET', alive .. ask.worker, '1', 'PX', ask.ttl)

-- The clock: seconds that are over leave; a clock that stepped back lets all that counts begin at its new time.
local back = h.t ~= nil and now < h.t - 1000
local moved = {m = 0, k = 0}
for field, amount in pairs(h) do
  local of, at = string.match(field, '^([mk]):(%d+)$')
  if of then
    at = tonumber(at)
    if back then moved[of] = moved[of] + amount end
    if back or at <= second - WINDOW then redis.call('HDEL', key, field); h[field] = nil end
  end
end
for of, amount in pairs(moved) do if amount ~= 0 then add(of .. ':' .. second, amount) end end
if back and h.filled then set('filled', now) end
if h.day ~= today then
  if h.day == nil or today > h.day then set('d', 0); set('e', 0) end
  set('day', today)
end
set('t', now)

local function count(limit, amount)
  if amount == 0 then return end
  if limit == 'm' or limit == 'k' then add(limit .. ':' .. second, amount)
  elseif limit == 'd' or limit == 'e' then add(limit, amount) end
end

-- What others have leased; of a dead one it counts as used.
local mine, others, leased, behind = {}, {}, {}, false
for _, limit in ipairs({'c', 's', 'm', 'k', 'd', 'e'}) do mine[limit] = 0; others[limit] = 0 end
for field, amount in pairs(h) do
  local limit, worker = string.match(field, '^l:(%l):(.+)$')
  if limit then leased[#leased + 1] = {field, limit, worker, amount} end
end
for _, one in ipairs(leased) do
  local field, limit, worker, amount = one[1], one[2], one[3], one[4]
  if worker == ask.worker then
    mine[limit] = amount
  elseif redis.call('EXISTS', alive .. worker) == 0 then
    count(limit, amount)
    set(field, 0)
    set('a:' .. worker, 0)
  else
    others[limit] = others[limit] + amount
  end
end

-- What this one used and gives back.
local burst = ask.burst or 0
local rate = ask.limits.s
if rate then
  if h.level == nil then set('level', burst); set('filled', now) end
  local room = math.max(0, burst - mine.s - others.s)
  set('level', math.min(room, h.level + (now - h.filled) * rate / 1000))
  set('filled', now)
end
for limit, amount in pairs(ask.used or {}) do
  mine[limit] = math.max(0, mine[limit] - amount)
  count(limit, amount)
end
for limit, amount in pairs(ask.back or {}) do
  amount = math.min(amount, mine[limit])
  mine[limit] = mine[limit] - amount
  if limit == 's' and rate then set('level', math.min(burst - mine.s - others.s, h.level + amount)) end
end
if ask.answers then set('a:' .. ask.worker, ask.answers) end

-- What is free.
local free, used = {}, {m = 0, k = 0, d = h.d or 0, e = h.e or 0}
local seconds = {m = {}, k = {}}
for field, amount in pairs(h) do
  local of, at = string.match(field, '^([mk]):(%d+)$')
  if of then
    used[of] = used[of] + amount
    table.insert(seconds[of], {tonumber(at), amount})
  end
end
for limit, most in pairs(ask.limits) do
  if limit == 's' then free.s = math.floor(h.level + 1e-9)
  else free[limit] = most - (used[limit] or 0) - mine[limit] - others[limit] end
end

local function wait_for(limit, need)
  if limit == 'c' then return 1000 end
  if limit == 's' then return math.ceil((need - h.level) * 1000 / rate) end
  if limit == 'd' or limit == 'e' then return (today + 1) * 86400000 - now end
  table.sort(seconds[limit], function(a, b) return a[1] < b[1] end)
  local room = free[limit]
  for _, one in ipairs(seconds[limit]) do
    room = room + one[2]
    if room >= need then return (one[1] + WINDOW) * 1000 - now end
  end
  return 60000
end

local lack, may_come = nil, false
for limit, need in pairs(ask.need or {}) do
  local alone = (limit == 'k' or limit == 'e') and need > ask.limits[limit]
    and used[limit] + mine[limit] + others[limit] == 0
  if alone then
    free[limit] = need
  elseif free[limit] < need then
    lack = lack or limit
    may_come = may_come or others[limit] > 0
  end
end

local answer = {granted = {}, free = {}}
if ask.need and not lack then
  for limit, need in pairs(ask.need) do
    local grant = math.min(free[limit], math.max(need, math.min((ask.ahead or {})[limit] or 0, math.floor(free[limit] / 4))))
    mine[limit] = mine[limit] + grant
    free[limit] = free[limit] - grant
    if limit == 's' then set('level', h.level - grant) end
    answer.granted[limit] = grant
  end
elseif lack then
  answer.lack, answer.wait = lack, wait_for(lack, ask.need[lack])
  if may_come and not ask.rest then
    if not ask.wish then
      add('wanted', 1)
      redis.call('PUBLISH', 'workbench:wanted', ask.worker .. ' ' .. h.wanted .. ' ' .. key)
    end
    answer.wish = ask.wish or h.wanted
    for _, one in ipairs(leased) do
      if one[3] ~= ask.worker and h[one[1]] and (h['a:' .. one[3]] or 0) < answer.wish then answer.waiting = true end
    end
  end
end
for limit, amount in pairs(mine) do
  if ask.limits[limit] or amount == 0 then set('l:' .. limit .. ':' .. ask.worker, amount) end
end
for limit, amount in pairs(free) do answer.free[limit] = amount end
redis.call('EXPIRE', key, IDLE_SECONDS)
answer.none = next(answer.granted) == nil
if answer.none then answer.granted = nil end
return cjson.encode(answer)
