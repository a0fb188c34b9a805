import type { Line } from './line'

/** What two browsers say to each other to begin speaking; the server passes it on unread. */
type Signal = { description: RTCSessionDescriptionInit } | { candidate: RTCIceCandidateInit | null }

/**
 * Voices by WebRTC, from browser to browser: no server of anybody else is asked for the way, so it works within one
 * network. Off until a person switches it on, and then heard by those who did so as well.
 */
export class Voice {
  private readonly peers = new Map<number, { connection: RTCPeerConnection; sound: HTMLAudioElement }>()
  private own: MediaStream | null = null
  private as = 0

  constructor(private readonly line: Line) {}

  /** Raises DOMException where there is no microphone, or it may not be used. */
  async begin(): Promise<void> {
    this.own = await navigator.mediaDevices.getUserMedia({ audio: { echoCancellation: true, noiseSuppression: true } })
    this.line.onSignal = (client, _, data) => void this.hear(client, data as Signal)
    this.line.setSpeaking(true)
  }

  end(): void {
    this.line.setSpeaking(false)
    this.line.onSignal = () => undefined
    for (const client of [...this.peers.keys()]) this.drop(client)
    for (const track of this.own?.getTracks() ?? []) track.stop()
    this.own = null
  }

  /** Speaks with those connections and no others. Of two, the one with the smaller number calls. */
  meet(clients: readonly number[]): void {
    if (!this.own) return
    // After a broken line the others know this browser by another number, and call anew.
    if (this.as !== this.line.clientId) for (const client of [...this.peers.keys()]) this.drop(client)
    this.as = this.line.clientId
    for (const client of [...this.peers.keys()]) if (!clients.includes(client)) this.drop(client)
    for (const client of clients) if (!this.peers.has(client) && this.line.clientId < client) this.peerOf(client)
  }

  private peerOf(client: number) {
    const known = this.peers.get(client)
    if (known) return known
    const connection = new RTCPeerConnection({ iceServers: [] })
    const sound = new Audio()
    sound.autoplay = true
    const peer = { connection, sound }
    this.peers.set(client, peer)
    connection.ontrack = ({ streams, track }) => {
      sound.srcObject = streams[0] ?? new MediaStream([track])
      void sound.play().catch(() => undefined)
    }
    connection.onicecandidate = ({ candidate }) => this.line.signal(client, { candidate: candidate?.toJSON() ?? null } satisfies Signal)
    connection.onconnectionstatechange = () => {
      if (connection.connectionState === 'failed') this.drop(client)
    }
    connection.onnegotiationneeded = async () => {
      if (this.line.clientId > client) return
      await connection.setLocalDescription()
      if (connection.localDescription) this.line.signal(client, { description: connection.localDescription.toJSON() as RTCSessionDescriptionInit } satisfies Signal)
    }
    for (const track of this.own?.getTracks() ?? []) connection.addTrack(track, this.own as MediaStream)
    return peer
  }

  private async hear(client: number, signal: Signal): Promise<void> {
    if (!this.own) return
    const { connection } = this.peerOf(client)
    try {
      if ('description' in signal) {
        await connection.setRemoteDescription(signal.description)
        if (signal.description.type !== 'offer') return
        await connection.setLocalDescription()
        if (connection.localDescription) this.line.signal(client, { description: connection.localDescription.toJSON() as RTCSessionDescriptionInit } satisfies Signal)
      } else if (signal.candidate) await connection.addIceCandidate(signal.candidate)
    } catch {
      this.drop(client)
    }
  }

  private drop(client: number): void {
    const peer = this.peers.get(client)
    this.peers.delete(client)
    peer?.connection.close()
    if (peer) peer.sound.srcObject = null
  }

  /** How many can be heard now. */
  get heard(): number {
    return [...this.peers.values()].filter((one) => one.connection.connectionState === 'connected').length
  }
}
