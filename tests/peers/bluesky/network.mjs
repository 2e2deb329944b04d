// Starts the Bluesky network (accounts' server, application view, directory) and says where it is, as one line
// of JSON. Ends when its standard input does, so that it never outlives the tests.
import { TestNetwork, mockMailer } from '@atproto/dev-env'

const [plc, pds, bsky, ozone] = process.argv.slice(2).map(Number)
const network = await TestNetwork.create({
  dbPostgresSchema: 'rapport',
  plc: { port: plc },
  pds: { port: pds, hostname: 'localhost', enableDidDocWithSession: true },
  bsky: { port: bsky, publicUrl: `http://localhost:${bsky}` },
  ozone: { port: ozone },
})
mockMailer(network.pds)
console.log(JSON.stringify({ ready: true, plc: network.plc.url, pds: network.pds.url, bsky: network.bsky.url }))

process.stdin.resume()
process.stdin.on('end', () => process.exit(0))
