import { describe, expect, it } from 'vitest'
import { edgesOfPlane, type Vec3 } from '../../geometry'
import { factsOf, lengthWords } from './facts'
import { namedIn, pictureOf } from './pictures'
import { FRONT, rightOf, rolled } from './look'
import { NotAModel, normalsOf, readModel, readMtl } from './read'

const words = (text: string) => new TextEncoder().encode(text)

/** A binary STL of these triangles, nine numbers each. */
function stl(triangles: number[][], header = 'made here', told = triangles.length): Uint8Array {
  const bytes = new Uint8Array(84 + 50 * triangles.length)
  bytes.set(words(header))
  const view = new DataView(bytes.buffer)
  view.setUint32(80, told, true)
  triangles.forEach((one, at) => one.forEach((value, n) => view.setFloat32(84 + 50 * at + 12 + 4 * n, value, true)))
  return bytes
}
const FLAT = [0, 0, 0, 10, 0, 0, 0, 20, 0]
const CUBE_OBJ = `
mtllib colours.mtl
v 0 0 0
v 4 0 0
v 4 4 0
v 0 4 0
v 0 0 4
g bottom
usemtl bone
f 1 2 3 4
g side
f -5/1/1 -4/2/2 -1/3/3
`

describe('a model that is read', () => {
  it.each([
    ['binary', stl([FLAT])],
    ['binary that begins as words would', stl([FLAT], 'solid of another program')],
    ['binary with the padding of an even length', new Uint8Array([...stl([FLAT]), 0])],
    ['words', words('solid a\n facet normal 0 0 1\n  outer loop\n   vertex 0 0 0\n   vertex 1e1 0 0\n   vertex 0 20 0\n  endloop\n endfacet\nendsolid a')],
  ])('STL in %s', (_, bytes) => {
    const model = readModel('STL', bytes)
    expect(model).toMatchObject({ triangles: 1, skipped: 0, least: [0, 0, 0], most: [10, 20, 0] })
    expect([...(model.solids[0]?.normals ?? [])]).toEqual([0, 0, 1, 0, 0, 1, 0, 0, 1])
  })

  it('OBJ by parts and materials, its polygons as triangles, corners counted from either end', () => {
    const { solids, triangles } = readModel('OBJ', words(CUBE_OBJ))
    expect(triangles).toBe(3)
    expect(solids.map((one) => [one.name, one.material, one.positions.length / 9])).toEqual([
      ['bottom', 'bone', 2],
      ['side', 'bone', 1],
    ])
    expect([...(solids[1]?.positions ?? [])]).toEqual([0, 0, 0, 4, 0, 0, 0, 0, 4])
  })

  it('leaves out what is damaged and says how much', () => {
    expect(readModel('STL', stl([FLAT, [NaN, ...FLAT.slice(1)], [...FLAT.slice(0, 8), 1e30]]))).toMatchObject({ triangles: 1, skipped: 2, most: [10, 20, 0] })
    expect(readModel('OBJ', words(`${CUBE_OBJ}\nf 1 2 99\nf 0 1 2\nf 1 2\nv x 0 0\nf 1 2 6`))).toMatchObject({ triangles: 3, skipped: 4 })
  })

  it.each([
    ['STL', stl([FLAT], 'cut', 1000), /tells of 1000 triangles, and holds at most 1\b/],
    ['STL', stl([FLAT], 'endless', 0xffffffff), /4294967295/],
    ['STL', words('<html>'), /too short/],
    ['STL', stl([]), /no triangles/],
    ['STL', words('solid nothing\nendsolid'), /no triangles/],
    ['OBJ', stl([FLAT]), /no triangles/],
    ['OBJ', words(`${'v 1 1 1\n'.repeat(3)}${'f 1 2 3\n'.repeat(2_000_001)}`), /more than 2 million triangles/],
    ['OBJ', words(`v 0 0 0\nv 1 0 0\nv 0 1 0\n${Array.from({ length: 600 }, (_, at) => `g ${at}\nf 1 2 3\n`).join('')}`), /more than 500 parts/],
  ] as const)('%s that cannot be drawn says why', (format, bytes, why) => {
    let fault: unknown
    try {
      readModel(format, bytes)
    } catch (error) {
      fault = error
    }
    expect(fault).toBeInstanceOf(NotAModel)
    expect((fault as Error).message).toMatch(why)
  })

  it('is smooth where it bends little, and has its edges', () => {
    const bent = (degrees: number) => {
      const [y, z] = [Math.cos((degrees * Math.PI) / 180), Math.sin((degrees * Math.PI) / 180)]
      const normals = normalsOf(new Float32Array([0, 0, 0, 1, 0, 0, 0, -1, 0, 1, 0, 0, 0, 0, 0, 0, y, z]))
      // The corner at (0, 0, 0) of each of the two.
      return [normals.slice(0, 3), normals.slice(12, 15)].map((one) => [...one])
    }
    const [one, other] = bent(20)
    expect(one).toEqual(other)
    const [flat, steep] = bent(90)
    expect(flat?.map(Math.abs)).toEqual([0, 0, 1])
    expect(steep?.map((value) => Math.round(Math.abs(value)))).toEqual([0, 1, 0])
  })

  it('has the materials that its MTL names', () => {
    expect(readMtl('newmtl bone\nKd 0.9 0.8 0.7\nd 0.5\nnewmtl vessel\nTr 0.25\nmap_Kd -s 1 1 1 -clamp on my skin.png\nKd nonsense')).toEqual([
      { name: 'bone', colour: [0.9, 0.8, 0.7], opacity: 0.5, picture: null },
      { name: 'vessel', colour: null, opacity: 0.75, picture: 'my skin.png' },
    ])
  })

  it('has pictures that its MTL names, as the object calls each', () => {
    const named = namedIn({
      '0008114A': {
        vr: 'SQ',
        Value: [
          { '00081155': { vr: 'UI', Value: ['1.7'] } },
          { '00081155': { vr: 'UI', Value: ['1.8'] }, '00687005': { vr: 'UR', Value: ['textures/My%20Skin.png'] } },
        ],
      },
    })
    const material = { name: 'vessel', colour: null, opacity: 1, picture: '.\\\\my skin.png' }
    expect(pictureOf(material, named)?.sopInstanceUid).toBe('1.8')
    expect(pictureOf({ ...material, picture: 'other.png' }, named)).toBeNull()
    expect(pictureOf({ ...material, picture: null }, named)).toBeNull()
  })

  it('says where in a picture its corners lie, also counted backwards', () => {
    const [solid, bare] = readModel('OBJ', words('v 0 0 0\nv 1 0 0\nv 1 1 0\nvt 0 0\nvt 0.5 0.25\nvt 1 1\nusemtl a\nf 1/1/7 2/2/7 3/-1\nusemtl b\nf 1 2 3\nf 1/9 2//1 3/')).solids
    expect([...(solid?.places ?? [])]).toEqual([0, 0, 0.5, 0.25, 1, 1])
    expect(bare?.places).toBeNull()
  })
})

describe('a model that is turned', () => {
  const letters = (look: typeof FRONT) => Object.values(edgesOfPlane(rightOf(look), look.up)).join('')
  it('is seen from the front at first, the left of the patient to the right', () => {
    expect(edgesOfPlane(rightOf(FRONT), FRONT.up)).toEqual({ left: 'R', right: 'L', top: 'H', bottom: 'F' })
  })

  it.each<[number, number, Vec3]>([
    [90, 0, [-1, 0, 0]],
    [-90, 0, [1, 0, 0]],
    [0, 90, [0, 0, 1]],
    [0, -90, [0, 0, -1]],
  ])('goes with the hand: %d to the right, %d down', (right, down, from) => {
    const look = rolled(FRONT, right, down)
    look.from.forEach((value, axis) => expect(value).toBeCloseTo(from[axis] ?? NaN))
  })

  it('stays square however often it is turned', () => {
    let look = FRONT
    for (let turn = 0; turn < 500; turn += 1) look = rolled(look, 17, 23)
    expect(Math.hypot(...look.from)).toBeCloseTo(1)
    expect(Math.hypot(...look.up)).toBeCloseTo(1)
    expect(look.from.reduce((sum, value, axis) => sum + value * (look.up[axis] ?? 0), 0)).toBeCloseTo(0)
    expect(letters(look)).not.toBe('')
  })
})

describe('what the object says of its model', () => {
  const element = (vr: string, ...Value: unknown[]) => ({ vr, Value })
  it('has its unit, its space, and why it is not for diagnosis', () => {
    const unit = { '00080100': element('SH', 'cm') }
    expect(factsOf({ '004008EA': element('SQ', unit), '00200052': element('UI', '1.2') }, '/s', '1.5')).toMatchObject({ unit: { mm: 10 }, inPatient: true, mirrored: false, caution: null, opacity: 1 })
    expect(factsOf({ '00687001': element('CS', 'YES'), '00687002': element('CS', 'YES'), '00189004': element('CS', 'RESEARCH') }, '/s', '1.5')).toMatchObject({
      unit: null,
      inPatient: false,
      mirrored: true,
      caution: 'Not for diagnosis: for research, altered from the anatomy, mirrored',
    })
  })

  it('says lengths as exactly as they are looked at', () => {
    expect([0.02, 0.083, 1.25, 9.96, 42.4, 0].map(lengthWords)).toEqual(['0.02', '0.083', '1.3', '10.0', '42', '0'])
  })

  it('finds its materials in its own series, or where it says', () => {
    const named = (uid: string, more = {}) => ({ '00081150': element('UI', '1.5'), '00081155': element('UI', uid), ...more })
    const elsewhere = named('3', { '0020000D': element('UI', '7'), '0020000E': element('UI', '8') })
    const found = factsOf({ '0008114A': element('SQ', named('2'), elsewhere, { '00081150': element('UI', '9'), '00081155': element('UI', '4') }) }, '/dicom-web/studies/1/series/1', '1.5')
    expect(found.materials.map((one) => one.path)).toEqual(['/dicom-web/studies/1/series/1/instances/2', '/dicom-web/studies/7/series/8/instances/3'])
  })
})
