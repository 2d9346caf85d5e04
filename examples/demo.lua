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
client:close()

-- 2. What it does not allow is refused before a name is resolved, and explained
--    to whoever runs the script.
print("2. connecting to " .. server .. "/admin")
local other, refusal = websocket.connect(server .. "/admin")
assert(other == nil and errors.is(refusal, errors.PERMISSION_DENIED))
print("   refused: " .. refusal:message())

-- 3. A stream, with a heartbeat beside it.
print("3. prices, with a heartbeat")
local stream, failure = websocket.connect(server .. "/prices")
if failure then
    return nil, failure
end
stream:send(json.encode({action = "subscribe", symbols = {"BTC-USD"}}))

local ch = stream:channel()
local heartbeat = time.after("250ms")
local seen = 0
while seen < 6 do
    local r = channel.select {
        ch:case_receive(),
        heartbeat:case_receive()
    }

    if r.channel == heartbeat then
        print("   heartbeat: ping")
        stream:ping()
        heartbeat = time.after("250ms")
    elseif not r.ok then
        break -- the connection is closed
    else
        local price = json.decode(r.value.data)
        if price.symbol then
            print("   " .. price.symbol .. " " .. price.value)
            seen = seen + 1
        end
    end
end

-- 4. A close with a reason; the channel ends when the server has answered.
stream:close(websocket.CLOSE_CODES.NORMAL, "seen enough")
while select(2, ch:receive()) do
end
local info = stream:close_info()
print(string.format("4. closed with %d, %s", info.code,
    info.clean and "cleanly" or "not cleanly"))
