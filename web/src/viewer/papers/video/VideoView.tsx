import { ActionIcon, Loader, Menu, Tooltip } from '@mantine/core'
import { IconPlayerPause, IconPlayerPlay, IconPlayerSkipBack, IconPlayerSkipForward, IconRepeat, IconVolume, IconVolumeOff } from '@tabler/icons-react'
import { useCallback, useEffect, useMemo, useRef, useState, type ReactNode } from 'react'
import { http } from '@/lib/api/http'
import { speltLaterality } from '../../stacks'
import { number, text, TAG } from '../../dicom'
import viewer from '../../viewer.module.css'
import { whyNotFetched } from '../fetched'
import { codingOf, fileOf, type Paper, type PaperViewProps } from '../paper'
import papers from '../papers.module.css'
import { tellMoved, withinBox, type Places } from '../places'
import { usePinch } from '../usePinch'
import { frameAt, rateOfFilm, rateTold, timeOf, wrappingOf, type Wrapping } from './film'
import classes from './video.module.css'

const HEAD_BYTES = 1024
/** Of MediaError. */
const MEDIA_ERR_NETWORK = 2
const RATES = [0.1, 0.25, 0.5, 1, 1.5, 2, 4]
const LEAST = 1
/** Whether the browser tells of each picture that it puts on the screen. */
const TELLS: boolean = 'requestVideoFrameCallback' in HTMLVideoElement.prototype
const MOST = 8
/** Two who look together play on by themselves while they are no further apart: as long as a message may take. */
const PLAYED_APART_S = 0.7

/** Where the picture itself lies in the window: it keeps its shape in whatever room it has. */
function pictureBox(video: HTMLVideoElement): DOMRect {
  const box = video.getBoundingClientRect()
  const scale = Math.min(box.width / (video.videoWidth || 1), box.height / (video.videoHeight || 1))
  const [width, height] = [scale * video.videoWidth, scale * video.videoHeight]
  return new DOMRect(box.left + (box.width - width) / 2, box.top + (box.height - height) / 2, width, height)
}

/** A film, fetched in parts as it is played; by picture, slower, in a loop. */
export default function VideoView({ paper, onHands }: PaperViewProps) {
  const [wrapping, setWrapping] = useState<Wrapping | null>(null)
  const [fault, setFault] = useState<{ words: string } | 'play' | null>(null)
  const [attempt, setAttempt] = useState(0)
  const { href } = fileOf(paper)
  useEffect(() => {
    const stop = new AbortController()
    setWrapping(null)
    setFault(null)
    const look = async () => {
      const head = await http.blob(href, { headers: { Range: `bytes=0-${HEAD_BYTES - 1}` }, signal: stop.signal })
      setWrapping(wrappingOf(new Uint8Array(await head.slice(0, HEAD_BYTES).arrayBuffer())))
    }
    look().catch((error: unknown) => (stop.signal.aborted ? undefined : setFault({ words: whyNotFetched(error, 'video') })))
    return () => stop.abort()
  }, [href, attempt])
  const onFault = useCallback((code: number | undefined) => setFault(code === MEDIA_ERR_NETWORK ? { words: whyNotFetched(null, 'video') } : 'play'), [])
  if (fault && fault !== 'play')
    return (
      <div className={papers['note']} role="alert">
        <p>{fault.words}</p>
        <button type="button" onClick={() => setAttempt(attempt + 1)}>
          Try again
        </button>
      </div>
    )
  if (wrapping === null) return <Loader className={viewer['busy']} size="sm" aria-label="Opening the video" />
  if (fault === 'play' || unplayable(paper, wrapping)) return <Unplayable paper={paper} wrapping={wrapping} />
  return <Player paper={paper} onHands={onHands} onFault={onFault} />
}

function unplayable(paper: Paper, wrapping: Wrapping): boolean {
  if (wrapping === 'mp4') return false
  const type = codingOf(paper) === 'MPEG-2' ? 'video/mpeg' : wrapping === 'transport' ? 'video/mp2t' : null
  return type === null || document.createElement('video').canPlayType(type) === ''
}

const WRAPPED: Readonly<Record<Wrapping, string>> = {
  mp4: 'in MP4',
  transport: 'in an MPEG transport stream',
  program: 'in an MPEG program stream',
  bare: 'as a bare stream',
  unknown: 'in a form that is not known here',
}

function Unplayable({ paper, wrapping }: { paper: Paper; wrapping: Wrapping }) {
  const file = fileOf(paper)
  const coding = codingOf(paper)
  const ending = { mp4: 'mp4', transport: 'ts', program: 'mpg', bare: { 'MPEG-2': 'm2v', 'H.264': 'h264', 'H.265': 'h265' }[coding], unknown: 'bin' }[wrapping]
  return (
    <div className={papers['note']} role="alert">
      <p>
        This video is {coding} {WRAPPED[wrapping]}, which this browser does not play{wrapping === 'mp4' ? ', or it is damaged' : ''}. It is in the archive as it was sent: save it, and play it with a program that does.
      </p>
      <a href={file.href} download={`video.${ending}`}>
        {file.words}
      </a>
    </div>
  )
}

function Player({ paper, onHands, onFault }: { paper: Paper; onHands: PaperViewProps['onHands']; onFault: (code: number | undefined) => void }) {
  const film = useRef<HTMLVideoElement>(null)
  const [ready, setReady] = useState(false)
  const [duration, setDuration] = useState(0)
  const [time, setTime] = useState(0)
  const [playing, setPlaying] = useState(false)
  const [speed, setSpeed] = useState(1)
  const [loops, setLoops] = useState(false)
  const [muted, setMuted] = useState(false)
  const [zoom, setZoom] = useState(1)
  const [room, setRoom] = useState<HTMLDivElement | null>(null)
  const enlarge = useCallback((factor: number) => setZoom((before) => Math.max(LEAST, Math.min(MOST, before * factor))), [])
  usePinch(room, enlarge)
  const frames = number(paper.instance, TAG.NumberOfFrames)
  const rate = rateOfFilm(frames, duration, rateTold(paper.instance))
  const frame = frameAt(time, rate, frames)
  const last = frames ? frames - 1 : Math.max(0, Math.round(duration * rate) - 1)

  const goTo = useCallback(
    (to: number) => {
      const video = film.current
      if (!video) return
      video.pause()
      video.currentTime = Math.min(timeOf(Math.max(0, Math.min(last, to)), rate), video.duration || 0)
    },
    [last, rate],
  )
  const play = useCallback(() => {
    const video = film.current
    if (!video) return
    if (video.paused) void video.play().catch(() => undefined)
    else video.pause()
  }, [])
  const pace = useCallback((to: number) => {
    setSpeed(to)
    if (film.current) film.current.playbackRate = to
  }, [])
  const now = useRef({ goTo, play, pace, rate, speed, frames, last })
  useEffect(() => {
    now.current = { goTo, play, pace, rate, speed, frames, last }
  })
  const places = useMemo<Places>(() => {
    const pictured = () => (film.current ? pictureBox(film.current) : null)
    const here = () => frameAt(film.current?.currentTime ?? 0, now.current.rate, now.current.frames)
    return {
      where: () => [here(), film.current?.paused === false ? 1 : 0, now.current.speed],
      isAt: ([frame = 0, plays = 0, speed = 1]) => {
        const apart_s = Math.abs(here() - frame) / now.current.rate
        return (film.current?.paused === false) === (plays === 1) && now.current.speed === speed && (plays ? apart_s < PLAYED_APART_S * Math.max(1, speed) : here() === frame)
      },
      goTo: ([frame = 0, plays = 0, speed = 1]) => {
        const video = film.current
        if (!video || !video.duration) return
        if (RATES.includes(speed)) now.current.pace(speed)
        if (!plays) return now.current.goTo(frame)
        if (Math.abs(here() - frame) / now.current.rate >= PLAYED_APART_S * Math.max(1, speed)) video.currentTime = Math.min(timeOf(frame, now.current.rate), video.duration)
        if (!video.paused) return
        // A browser plays no sound that nobody here asked for.
        video.play().catch(() => {
          setMuted(true)
          video.muted = true
          void video.play().catch(() => undefined)
        })
      },
      point: (x, y) => {
        const box = pictured()
        const found = box && withinBox(box, x, y)
        return found ? [found[0], found[1], 0] : null
      },
      seenAt: ([across, down]) => {
        const box = pictured()
        return box ? [box.left + across * box.width, box.top + down * box.height] : null
      },
    }
  }, [])
  useEffect(() => {
    tellMoved(room)
  }, [room, frame, playing, speed, zoom, ready])
  useEffect(() => {
    onHands({
      places,
      // From where it is going, not where it is: keys repeat faster than pictures come.
      step: (by) => now.current.goTo(frameAt(film.current?.currentTime ?? 0, now.current.rate, now.current.frames) + by),
      end: (toLast) => now.current.goTo(toLast ? now.current.last : 0),
      play: () => now.current.play(),
      rate: (by) => {
        const at = RATES.findIndex((one) => one >= now.current.speed)
        now.current.pace(RATES[Math.max(0, Math.min(RATES.length - 1, at + by))] ?? 1)
      },
      zoom: enlarge,
      fit: () => setZoom(1),
    })
    return () => onHands(null)
  }, [onHands, enlarge, places])

  // What is seen is what is told: the time of each picture as it is put on the screen.
  useEffect(() => {
    const video = film.current
    if (!video) return
    let asked = 0
    const seen = (_: number, told: VideoFrameCallbackMetadata) => {
      setTime(told.mediaTime)
      asked = video.requestVideoFrameCallback(seen)
    }
    if (TELLS) asked = video.requestVideoFrameCallback(seen)
    return () => {
      if (TELLS) video.cancelVideoFrameCallback(asked)
      // What is still on its way is wanted no more.
      video.removeAttribute('src')
      video.load()
    }
  }, [paper.path])

  const side = speltLaterality(text(paper.instance, TAG.ImageLaterality) ?? text(paper.instance, TAG.Laterality))
  const size = [number(paper.instance, TAG.Columns), number(paper.instance, TAG.Rows)]
  return (
    <div className={classes['film']} data-ready={ready || undefined} data-frame={frame} data-playing={playing || undefined}>
      <div ref={setRoom} className={classes['room']}>
        {/* Films of scanners and scopes have no words to be written beneath. */}
        {/* eslint-disable-next-line jsx-a11y/media-has-caption */}
        <video
          ref={film}
          src={fileOf(paper).href}
          style={{ width: `${zoom * 100}%`, height: `${zoom * 100}%` }}
          preload="metadata"
          playsInline
          loop={loops}
          muted={muted}
          aria-label={paper.title}
          onLoadedMetadata={(event) => setDuration(event.currentTarget.duration)}
          onLoadedData={() => setReady(true)}
          // Where it stands still is known for certain: of pictures that were left out, or seen already, nothing is told.
          onSeeked={(event) => setTime(event.currentTarget.currentTime)}
          onEnded={(event) => setTime(event.currentTarget.currentTime)}
          onTimeUpdate={(event) => (TELLS ? undefined : setTime(event.currentTarget.currentTime))}
          onPlay={() => setPlaying(true)}
          onPause={() => setPlaying(false)}
          onError={(event) => (event.currentTarget.hasAttribute('src') ? onFault(event.currentTarget.error?.code) : undefined)}
          onClick={play}
        />
        {side ? <strong className={`${viewer['laterality']} ${classes['side']}`}>{side}</strong> : null}
        {ready ? null : <Loader className={viewer['busy']} size="sm" aria-label="Opening the video" />}
      </div>
      <div className={classes['bar']} role="toolbar" aria-label="Video">
        <Act label={playing ? 'Stop' : 'Play'} icon={playing ? <IconPlayerPause size={20} /> : <IconPlayerPlay size={20} />} onClick={play} />
        <Act label="Previous picture" icon={<IconPlayerSkipBack size={18} />} onClick={() => goTo(frame - 1)} />
        <Act label="Next picture" icon={<IconPlayerSkipForward size={18} />} onClick={() => goTo(frame + 1)} />
        <input
          type="range"
          min={0}
          max={last}
          value={Math.min(frame, last)}
          aria-label="Picture"
          aria-valuetext={`${frame + 1} of ${last + 1}, ${clock(time)}`}
          onChange={(event) => goTo(Number(event.currentTarget.value))}
        />
        <span className={classes['where']}>
          {frame + 1} / {last + 1}
        </span>
        <span className={classes['where']}>
          {clock(time)} / {clock(duration)}
        </span>
        <Menu withinPortal position="top-end">
          <Menu.Target>
            <button type="button" className={classes['speed']} aria-label={`Speed ${speed}×`}>
              {speed}×
            </button>
          </Menu.Target>
          <Menu.Dropdown>
            {RATES.map((one) => (
              <Menu.Item key={one} onClick={() => pace(one)} aria-current={one === speed}>
                {one}×
              </Menu.Item>
            ))}
          </Menu.Dropdown>
        </Menu>
        <Act label="Play in a loop" icon={<IconRepeat size={18} />} pressed={loops} onClick={() => setLoops(!loops)} />
        <Act label={muted ? 'Sound on' : 'Sound off'} icon={muted ? <IconVolumeOff size={18} /> : <IconVolume size={18} />} pressed={muted} onClick={() => setMuted(!muted)} />
      </div>
      <p className={classes['told']}>
        {[
          codingOf(paper),
          size[0] && size[1] ? `${size[0]} × ${size[1]}` : null,
          duration ? `${Number(rate.toFixed(2))} pictures a second` : null,
          'Lossy compression',
          'Not calibrated',
          zoom > 1 ? `Zoom ${Math.round(zoom * 100)} %` : null,
        ]
          .filter(Boolean)
          .join(' · ')}
      </p>
    </div>
  )
}

function clock(time_s: number): string {
  const whole = Math.max(0, time_s)
  const [minutes, seconds] = [Math.floor(whole / 60), whole % 60]
  return `${minutes}:${seconds.toFixed(1).padStart(4, '0')}`
}

function Act(props: { label: string; icon: ReactNode; pressed?: boolean; onClick: () => void }) {
  return (
    <Tooltip label={props.label} openDelay={400}>
      <ActionIcon variant={props.pressed ? 'light' : 'subtle'} aria-label={props.label} aria-pressed={props.pressed} onClick={props.onClick}>
        {props.icon}
      </ActionIcon>
    </Tooltip>
  )
}
