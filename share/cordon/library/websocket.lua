---@meta websocket

---WebSocket connections.  A policy is asked before each one.
---@class websocket
---@field TEXT 1 for `Client:send`
---@field BINARY 2 for `Client:send`
---@field TYPE_TEXT "text" of a message that was received
---@field TYPE_BINARY "binary"
---@field TYPE_PING "ping" with `control_messages`
---@field TYPE_PONG "pong"
---@field TYPE_CLOSE "close"
---@field COMPRESSION websocket.Compression
---@field CLOSE_CODES websocket.CloseCodes
local websocket = {}

---@class websocket.Compression
---@field DISABLED 0 no compression
---@field CONTEXT_TAKEOVER 1 one window for the whole connection
---@field NO_CONTEXT 2 each message by itself

---@class websocket.CloseCodes
---@field NORMAL 1000
---@field GOING_AWAY 1001
---@field PROTOCOL_ERROR 1002
---@field UNSUPPORTED_DATA 1003
---@field RESERVED 1004
---@field NO_STATUS 1005
---@field ABNORMAL_CLOSURE 1006
---@field INVALID_PAYLOAD 1007
---@field POLICY_VIOLATION 1008
---@field MESSAGE_TOO_BIG 1009
---@field MANDATORY_EXTENSION 1010
---@field INTERNAL_ERROR 1011
---@field SERVICE_RESTART 1012
---@field TRY_AGAIN_LATER 1013
---@field BAD_GATEWAY 1014
---@field TLS_HANDSHAKE 1015

---Timeouts: a number of milliseconds, or a text like "10s".
---@class websocket.Options
---@field headers? table<string, string> of the handshake
---@field protocols? string[] subprotocols
---@field dial_timeout? number|string 30 s by default
---@field read_timeout? number|string none by default; then the connection is closed
---@field write_timeout? number|string none by default
---@field compression? 0|1|2|"disabled"|"context_takeover"|"no_context_takeover"
---@field compression_threshold? integer bytes; 512 by default
---@field read_limit? integer bytes of one message; 16 MiB by default
---@field channel_capacity? integer messages that wait; 16 by default
---@field control_messages? boolean deliver ping, pong and close too

---@class websocket.Message
---@field type "text"|"binary"|"ping"|"pong"|"close"
---@field data string|nil
---@field code integer|nil of a close
---@field reason string|nil of a close

---@class websocket.CloseInfo
---@field code integer 1006: the connection was lost
---@field reason string
---@field clean boolean

---@class websocket.Client
local Client = {}

---Sends a message; returns when the kernel has all of it.
---@param data string
---@param type? 1|2 `websocket.TEXT` by default
---@return boolean ok
---@return errors.Error|nil err
function Client:send(data, type) end

---@param data? string at most 125 bytes
---@return boolean ok
---@return errors.Error|nil err
function Client:ping(data) end

---Says goodbye.  Closing twice: true.
---@param code? integer 1000 by default
---@param reason? string at most 123 bytes
---@return boolean ok
---@return errors.Error|nil err
function Client:close(code, reason) end

---The messages that come in: `websocket.Message`s.  Ends with the connection.
---@return channel.Channel
---@nodiscard
function Client:channel() end

---The same as `channel()`.
---@return channel.Channel
---@nodiscard
function Client:receive() end

---How it ended, once the channel has.
---@return websocket.CloseInfo|nil
---@nodiscard
function Client:close_info() end

---The subprotocol that was agreed on.
---@return string|nil
---@nodiscard
function Client:subprotocol() end

---Connects, if a policy allows it.
---@param url string ws:// or wss://
---@param options? websocket.Options
---@return websocket.Client|nil client
---@return errors.Error|nil err
---@nodiscard
function websocket.connect(url, options) end

return websocket
