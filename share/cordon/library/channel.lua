---@meta channel

---What tasks talk over, with Go's semantics.  `#ch` is how many values wait.
---@class channel.Channel
---@operator len: integer
local Channel = {}

---Sends a value, and waits while the channel is full (at size 0 until somebody
---receives).  Raises on a channel that is closed, or is while it waits.
---@param value any nil is a value like any other
---@return true
function Channel:send(value) end

---Waits for a value.  `nil, false` once the channel is closed and empty.
---@return any value
---@return boolean ok
function Channel:receive() end

---No more values.  Closing twice does nothing.
function Channel:close() end

---How many values fit.
---@return integer
---@nodiscard
function Channel:capacity() end

---A case for `channel.select`: to receive.
---@return channel.Case
---@nodiscard
function Channel:case_receive() end

---A case for `channel.select`: to send that value.
---@param value any
---@return channel.Case
---@nodiscard
function Channel:case_send(value) end

---Good for any number of selects.
---@class channel.Case

---@class channel.Cases
---@field [integer] channel.Case
---@field default? boolean do not wait if no case is ready

---@class channel.Selected
---@field channel channel.Channel|nil of the case that was taken
---@field value any what was received
---@field ok boolean false: that channel is closed and empty
---@field default true|nil no case was ready

---A global; `require "channel"` gives the same.
---@class channel
channel = {}

---Makes a channel.
---@param size? integer how many values wait in it; 0 by default, at most 10,000
---@return channel.Channel
---@nodiscard
function channel.new(size) end

---Waits until one of the cases is ready and does it; among several ready ones
---each has an equal chance.
---
---```lua
---local r = channel.select {ch:case_receive(), timeout:case_receive()}
---if r.channel == timeout then ... end
---```
---@param cases channel.Cases
---@return channel.Selected
function channel.select(cases) end

return channel
