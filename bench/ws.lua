-- ws.lua - what a WebSocket client does when it is measured, as a script sees it.
-- Run by bench/ws, which adds the module "bench".
local websocket = require "websocket"
local bench = require "bench"

local url, mode = arg[1], arg[2]
local n, size, conns = tonumber(arg[3]), tonumber(arg[4]), tonumber(arg[5])
local WINDOW, SAMPLE, OPENING = 64, 16, 100

local options = {channel_capacity = 256, read_limit = 128 << 20}
local texts = {string.rep("abcdefghijklmnopqrstuvwxyz", size // 26 + 1):sub(1, size)}
local compressed = {pipelinez = "CONTEXT_TAKEOVER", manyz = "CONTEXT_TAKEOVER",
                    manyz0 = "NO_CONTEXT"}
if compressed[mode] then
  options.compression = websocket.COMPRESSION[compressed[mode]]
  options.compression_threshold = 0
end
if mode == "pipelinez" then
  for i = 1, 16 do texts[i] = bench.text((i - 1) * size, size) end
end

local function connect()
  local client, err = websocket.connect(url, options)
  if not client then error(tostring(err)) end
  return client, client:channel()
end

local function send(client, data, kind)
  local ok, err = client:send(data, kind)
  if not ok then error(tostring(err)) end
end

local function receive(ch)
  local msg, ok = ch:receive()
  if not ok then error "the connection has ended" end
  if #msg.data ~= size then error("wrong size: " .. #msg.data) end
end

if mode:sub(1, 4) == "many" then
  local rss, done = bench.rss(), channel.new(OPENING)
  local clients = {}
  bench.start()
  for first = 1, OPENING do
    coroutine.spawn(function()
      for i = first, conns, OPENING do clients[i] = connect() end
      done:send(true)
    end)
  end
  for _ = 1, OPENING do done:receive() end
  local seconds = bench.seconds()
  local each = (bench.rss() - rss) / conns
  bench.start()
  if mode == "many" then
    for i = 1, conns do send(clients[i], texts[1]) end
    for i = 1, conns do receive(clients[i]:channel()) end
  else
    -- What they hold when they have been used: one after the other, for what is
    -- under way is something else.
    for _ = 1, math.max(n, 1) do
      for i = 1, conns do
        send(clients[i], texts[1])
        receive(clients[i]:channel())
      end
    end
    each = (bench.rss() - rss) / conns
  end
  bench.finish(conns, conns * size, conns / seconds, each)
  return
end

local client, ch = connect()
bench.start()
if mode == "rtt" then
  for _ = 1, n do
    local since = bench.now()
    send(client, texts[1])
    receive(ch)
    bench.took(since)
  end
  bench.finish(n, 2 * n * size)
elseif mode == "pipeline" or mode == "pipelinez" then
  -- So many are under way as there are tasks: each waits for one echo, whosever
  -- it is, and sends the next.
  local since, sent, got = {}, 0, 0
  local done = channel.new(WINDOW)
  local function next_one()
    local i = sent
    sent = sent + 1
    if i % SAMPLE == 0 then since[i] = bench.now() end
    send(client, texts[i % #texts + 1])
  end
  for _ = 1, math.min(WINDOW, n) do
    coroutine.spawn(function()
      next_one()
      while true do
        receive(ch)
        local i = got
        got = got + 1
        if i % SAMPLE == 0 then
          bench.took(since[i])
          since[i] = nil
        end
        if got == n then done:send(true) end
        if sent >= n then return end
        next_one()
      end
    end)
  end
  done:receive()
  bench.finish(n, 2 * n * size)
elseif mode == "recvflood" then
  send(client, "go")
  for _ = 1, n do
    local msg, ok = ch:receive()
    if not ok or #msg.data ~= size then error "wrong size, or the end" end
  end
  bench.finish(n, n * size)
elseif mode == "sendflood" then
  for _ = 1, n do send(client, texts[1], websocket.BINARY) end
  send(client, "end")
  local count = tonumber(ch:receive().data)
  if count ~= n * size then error("the server has counted " .. count) end
  bench.finish(n, n * size)
else
  error("unknown mode " .. tostring(mode))
end
