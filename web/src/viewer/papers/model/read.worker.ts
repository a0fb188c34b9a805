import { NotAModel, readModel, type Model } from './read'

export interface Asked {
  format: 'STL' | 'OBJ'
  bytes: ArrayBuffer
}

export type Answer = { model: Model } | { fault: string }

const scope = globalThis as unknown as { onmessage: (event: MessageEvent<Asked>) => void; postMessage: (answer: Answer, move: Transferable[]) => void }

scope.onmessage = ({ data }) => {
  try {
    const model = readModel(data.format, new Uint8Array(data.bytes))
    scope.postMessage({ model }, model.solids.flatMap((one) => [one.positions.buffer, one.normals.buffer, ...(one.places ? [one.places.buffer] : [])]))
  } catch (error) {
    scope.postMessage({ fault: error instanceof NotAModel ? error.message : 'This model could not be read: it is damaged, or takes more memory than there is.' }, [])
  }
}
