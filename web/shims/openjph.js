import openJph from '@cornerstonejs/codec-openjph'

/**
 * Stands before the decoder of HTJ2K. Cornerstone 5.14 makes a decoder for each picture and deletes none; each keeps its
 * picture, compressed and not, in memory of WebAssembly, which the browser does not see and so does not collect, and which
 * never shrinks. Pictures are decoded one after the other and taken out of a decoder before the next is made, so the one
 * before is no longer needed then.
 */
export default async function openJphOfOneDecoder(options) {
  const codec = await openJph(options)
  const Decoder = codec.HTJ2KDecoder
  let last = null
  codec.HTJ2KDecoder = function OneDecoder() {
    const before = last
    last = null
    before?.delete()
    last = new Decoder()
    // What a constructor returns is what `new` gives.
    return last
  }
  return codec
}
