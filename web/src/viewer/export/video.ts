import { mp4, type Sample } from './mp4'

const PIXELS_LONG_MAX = 1920
/** H.264 profiles and levels, the best first; a level that is too low for the size is refused by the encoder. */
const CODECS = ['avc1.640028', 'avc1.4d0028', 'avc1.42e028', 'avc1.42e01f']

/** Why no MP4 can be made here; null: it can. */
export async function videoFault(): Promise<string | null> {
  if (typeof VideoEncoder === 'undefined') return window.isSecureContext ? 'This browser cannot make videos.' : 'Videos can be made only where the page is reached by https.'
  return (await codecFor(640, 480, 10)) ? null : 'This browser cannot make MP4 (it has no H.264 encoder).'
}

async function codecFor(width: number, height: number, framerate: number): Promise<VideoEncoderConfig | null> {
  for (const codec of CODECS) {
    const bitrate = Math.min(40e6, Math.max(4e6, width * height * framerate * 0.35))
    const config: VideoEncoderConfig = { codec, width, height, framerate, bitrate, avc: { format: 'avc' } }
    if ((await VideoEncoder.isConfigSupported(config)).supported) return config
  }
  return null
}

/** A size that encoders take: even, and no longer than they reach. */
export function videoSize(width: number, height: number): { width: number; height: number } {
  const part = Math.min(1, PIXELS_LONG_MAX / Math.max(width, height))
  const even = (value: number) => Math.max(16, 2 * Math.round((value * part) / 2))
  return { width: even(width), height: even(height) }
}

/** Makes a video of pictures that come one after another, all of the first one's size. */
export class Video {
  private encoder: VideoEncoder | null = null
  private readonly samples: Sample[] = []
  private configuration: Uint8Array<ArrayBuffer> | null = null
  private fault: Error | null = null
  private readonly canvas = document.createElement('canvas')
  private count = 0

  constructor(private readonly rate: number) {}

  async add(picture: HTMLCanvasElement): Promise<void> {
    if (!this.encoder) await this.begin(picture)
    if (this.fault || !this.encoder) throw this.fault ?? new Error('The video was not begun.')
    const context = this.canvas.getContext('2d')
    context?.drawImage(picture, 0, 0, this.canvas.width, this.canvas.height)
    const frame = new VideoFrame(this.canvas, { timestamp: Math.round((this.count * 1e6) / this.rate), duration: Math.round(1e6 / this.rate) })
    // A key picture each second: players jump from one to the next.
    this.encoder.encode(frame, { keyFrame: this.count % Math.max(1, Math.round(this.rate)) === 0 })
    frame.close()
    this.count += 1
    while (this.encoder.encodeQueueSize > 4) await new Promise((go) => this.encoder?.addEventListener('dequeue', go, { once: true }))
  }

  private async begin(picture: HTMLCanvasElement): Promise<void> {
    const { width, height } = videoSize(picture.width, picture.height)
    const config = await codecFor(width, height, this.rate)
    if (!config) throw new Error('This browser cannot make an MP4 of this size.')
    Object.assign(this.canvas, { width, height })
    this.encoder = new VideoEncoder({
      output: (chunk, told) => {
        const data = new Uint8Array(chunk.byteLength)
        chunk.copyTo(data)
        this.samples.push({ data, key: chunk.type === 'key' })
        const description = told?.decoderConfig?.description
        if (description) this.configuration ??= new Uint8Array(ArrayBuffer.isView(description) ? description.buffer.slice(description.byteOffset, description.byteOffset + description.byteLength) as ArrayBuffer : (description as ArrayBuffer))
      },
      error: (error) => (this.fault = error),
    })
    this.encoder.configure(config)
  }

  async end(): Promise<Blob> {
    await this.encoder?.flush()
    if (this.fault) throw this.fault
    if (!this.configuration) throw new Error('The encoder told nothing of its stream.')
    this.stop()
    const { width, height } = this.canvas
    return mp4({ width, height, rate: this.rate, configuration: this.configuration, samples: this.samples })
  }

  stop(): void {
    if (this.encoder && this.encoder.state !== 'closed') this.encoder.close()
  }
}
