// Unpacks what Python's zlib packed, as RFC 1951 has it. Firefox and Safari do so by themselves only since 2023.

const LENGTHS_FIRST = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
const [STORED, FIXED] = [0, 1];
const NONE = -1;
const END = 256;
const LONGEST = 285; // it stands for 258 bytes, and no others follow the rule for their lengths

// Return the text that was packed, and written in base64. Throws an error if it is damaged.
function unpacked(text) {
  const packed = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  return new TextDecoder().decode(Uint8Array.from(inflated(packed)));
}

function inflated(packed) {
  const bytes = [];
  let place = 0; // in bits
  const bit = () => {
    if (place === 8 * packed.length) throw new Error("damaged");
    return (packed[place >> 3] >> (place++ & 7)) & 1;
  };
  const bits = (count) => {
    let number = 0;
    for (let each = 0; each < count; each++) number |= bit() << each;
    return number;
  };
  const symbol = (code) => {
    for (let word = 1; word < 1 << 15; ) {
      word = (word << 1) | bit();
      if (code[word] !== NONE) return code[word];
    }
    throw new Error("damaged");
  };
  const number = (found, step) => {
    if (found < step) return found;
    const more = Math.floor(found / step) - 1;
    return ((step + (found % step)) << more) + bits(more);
  };
  for (let isLast = false; !isLast; ) {
    isLast = bits(1) === 1;
    const kind = bits(2);
    if (kind === STORED) {
      place = Math.ceil(place / 8) * 8;
      const count = bits(16);
      bits(16); // its complement
      for (let each = 0; each < count; each++) bytes.push(bits(8));
      continue;
    }
    const [literals, distances] = kind === FIXED ? fixedCodes() : ownCodes(bits, symbol);
    for (let found = symbol(literals); found !== END; found = symbol(literals)) {
      if (found < END) {
        bytes.push(found);
        continue;
      }
      const length = found === LONGEST ? 258 : 3 + number(found - END - 1, 4);
      const from = bytes.length - 1 - number(symbol(distances), 2);
      for (let each = from; each < from + length; each++) bytes.push(bytes[each]);
    }
  }
  return bytes;
}

// Return a code by how many bits there are for each symbol: what each word stands for, with a 1 set before its bits.
function codeOf(lengths) {
  const code = new Int16Array(1 << 16).fill(NONE);
  for (let length = 1, word = 2; length < 16; length++, word <<= 1) {
    lengths.forEach((one, found) => {
      if (one === length) code[word++] = found;
    });
  }
  return code;
}

function fixedCodes() {
  const literals = Array.from({ length: 288 }, (_, found) => (found < 144 ? 8 : found < 256 ? 9 : found < 280 ? 7 : 8));
  return [codeOf(literals), codeOf(Array(30).fill(5))];
}

function ownCodes(bits, symbol) {
  const [literals, distances, count] = [257 + bits(5), 1 + bits(5), 4 + bits(4)];
  const first = Array(LENGTHS_FIRST.length).fill(0);
  for (const found of LENGTHS_FIRST.slice(0, count)) first[found] = bits(3);
  const code = codeOf(first);
  const lengths = [];
  while (lengths.length < literals + distances) {
    const found = symbol(code);
    if (found < 16) lengths.push(found);
    else if (found === 16) lengths.push(...Array(3 + bits(2)).fill(lengths[lengths.length - 1]));
    else lengths.push(...Array(found === 17 ? 3 + bits(3) : 11 + bits(7)).fill(0));
  }
  return [codeOf(lengths.slice(0, literals)), codeOf(lengths.slice(literals))];
}
