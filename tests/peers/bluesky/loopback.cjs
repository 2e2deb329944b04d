// The servers listen on every address of the machine; here they are to be reached from itself alone.
const net = require('node:net')
const listen = net.Server.prototype.listen
net.Server.prototype.listen = function (first, ...rest) {
  if (typeof first === 'object' && first !== null && 'port' in first) {
    return listen.call(this, { ...first, host: '127.0.0.1' }, ...rest)
  }
  const plain = typeof first === 'number' || typeof first === 'string'
  if (plain && !Number.isNaN(Number(first))) {
    const after = typeof rest[0] === 'string' ? rest.slice(1) : rest
    return listen.call(this, Number(first), '127.0.0.1', ...after)
  }
  return listen.call(this, first, ...rest)
}
