---@meta errors

---Structured errors.  Every function that can fail on its input or on the
---outside world returns `nil, err` (or `false, err`), and `err` is one of these.
---@class errors.Error
---@operator concat(string|errors.Error): string
local Error = {}

---What kind of error it is; compare with the constants of `errors`.
---@return errors.Kind
---@nodiscard
function Error:kind() end

---The message without the contexts that were wrapped around it.
---@return string
---@nodiscard
function Error:message() end

---Could the same call succeed later?  nil: nobody knows.
---@return boolean|nil
---@nodiscard
function Error:retryable() end

---A copy of what else is known.
---@return table|nil
---@nodiscard
function Error:details() end

---Where it was made, as text.
---@return string|nil
---@nodiscard
function Error:stack() end

---@alias errors.Kind
---| ""
---| "Invalid"
---| "NotFound"
---| "AlreadyExists"
---| "PermissionDenied"
---| "Unavailable"
---| "Internal"
---| "Canceled"
---| "Conflict"
---| "Timeout"
---| "RateLimited"

---@class errors.Options
---@field message string
---@field kind? errors.Kind the default is `errors.UNKNOWN`
---@field retryable? boolean
---@field details? table

---@class errors.Frame
---@field source string
---@field line integer
---@field name string|nil

---@class errors.CallStack
---@field thread string
---@field frames errors.Frame[]

---A global; `require "errors"` gives the same.
---@class errors
---@field UNKNOWN "" nobody said what kind
---@field INVALID "Invalid" the caller's input is wrong
---@field NOT_FOUND "NotFound" there is no such thing
---@field ALREADY_EXISTS "AlreadyExists" it is there already
---@field PERMISSION_DENIED "PermissionDenied" a policy refuses it, or none allows it
---@field UNAVAILABLE "Unavailable" not there at the moment, or on this machine
---@field INTERNAL "Internal" something failed that the caller did not cause
---@field CANCELED "Canceled" it was called off
---@field CONFLICT "Conflict" it contradicts what is there
---@field TIMEOUT "Timeout" it took too long
---@field RATE_LIMITED "RateLimited" too many, for now
errors = {}

---Makes an error; nothing is thrown.  A missing message raises.
---@param message string|errors.Options
---@return errors.Error
---@nodiscard
function errors.new(message) end

---An error with a context in front of its text.  Kind, retryable, details and
---`message()` of the inner error are kept.
---@param err errors.Error|string
---@param context string
---@return errors.Error
---@nodiscard
function errors.wrap(err, context) end

---Is it an error object of that kind?  False for anything that is none.
---@param err any
---@param kind errors.Kind
---@return boolean
---@nodiscard
function errors.is(err, kind) end

---Where an error was made.
---@param err errors.Error
---@return errors.CallStack|nil
---@nodiscard
function errors.call_stack(err) end

return errors
