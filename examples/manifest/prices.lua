-- What its policy does not allow is an error that it can handle.
local websocket = require("websocket")

local function main()
  local client, err = websocket.connect("wss://stream.example.com/trades")
  if err then
    print("no trades: " .. err:kind())
    return
  end
  client:close()
end

return { main = main }
