import { nodesSuite } from './nodes-suite.js'

await nodesSuite('Redis')
