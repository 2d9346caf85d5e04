-- demo.lua - the main job in a minute: a connection that is allowed, one that is
-- refused, a stream with a heartbeat, a clean close.
--
--   cordon run -p demo-policy.yaml demo.lua ws://localhost:PORT
local websocket = require("websocket")
local json = require("json")
local time = require("time")

local server = arg[1]

-- 1. What the policy allows works as if there was none.
print("1. connecting to " .. server .. "/echo")
local client, err = websocket.connect(server .. "/echo")
if err then
    return nil, err
end
client:send("Grüße, 世界")
print("   the server answers: " .. client:channel():receive().data)

-- 2. What it does not allow is refused before a name is resolved, and explained
--    to whoever runs the script.
print("2. connecting to " .. server .. "/admin")
local other, refusal = websocket.connect(server .. "/admin")
assert(other == nil and errors.is(refusal, errors.PERMISSION_DENIED))
print("   refused: " .. refusal:message())

-- 3. A stream, and a heartbeat when it is quiet.  The server is an echo, so a
--    second task plays the market.
print("3. prices, with a heartbeat")
coroutine.spawn(function()
    for i, pause in ipairs({"50ms", "50ms", "500ms", "50ms"}) do
        time.sleep(pause)
        client:send(json.encode({symbol = "BTC-USD", value = 64000 + 125 * i}))
    end
    time.sleep("50ms")
    client:close(websocket.CLOSE_CODES.NORMAL, "market closed")
end)

local ch = client:channel()
local heartbeat = time.after("200ms")
while true do
    local r = channel.select {
        ch:case_receive(),
        heartbeat:case_receive()
    }

    if r.channel == heartbeat then
        print("   quiet: ping")
        client:ping()
        heartbeat = time.after("200ms")
    elseif not r.ok then
        break -- the connection is closed
    else
        local price = json.decode(r.value.data)
        print("   " .. price.symbol .. " " .. price.value)
        heartbeat = time.after("200ms")
    end
end

-- 4. Both sides have said goodbye.
local info = client:close_info()
print(string.format("4. closed with %d, %s", info.code,
    info.clean and "cleanly" or "not cleanly"))
