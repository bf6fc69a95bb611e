// Proof of work for the page to sign up: finds a number that makes the SHA-256 of "STAMP:ADDRESS:NUMBER" begin with as many zero bits as the
// form asks for, then sends the form. It asks nobody and keeps nothing. Our own SHA-256, because the browser's answers one hash at a time, later.
"use strict";
(() => {
  const form = document.querySelector("form[data-work]");
  if (!form) return;

  const START = [0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19];
  const K = new Int32Array([
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
  ]);
  const words = new Int32Array(64);
  const turn = (word, by) => (word >>> by) | (word << (32 - by));

  // Mixes the 64 bytes at `at` into the state.
  function mix(state, bytes, at) {
    for (let i = 0; i < 16; i++) {
      const j = at + 4 * i;
      words[i] = (bytes[j] << 24) | (bytes[j + 1] << 16) | (bytes[j + 2] << 8) | bytes[j + 3];
    }
    for (let i = 16; i < 64; i++) {
      const x = words[i - 15], y = words[i - 2];
      const low = turn(x, 7) ^ turn(x, 18) ^ (x >>> 3), high = turn(y, 17) ^ turn(y, 19) ^ (y >>> 10);
      words[i] = (words[i - 16] + low + words[i - 7] + high) | 0;
    }
    let [a, b, c, d, e, f, g, h] = state;
    for (let i = 0; i < 64; i++) {
      const one = (h + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) + ((e & f) ^ (~e & g)) + K[i] + words[i]) | 0;
      const two = ((turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      h = g; g = f; f = e; e = (d + one) | 0;
      d = c; c = b; b = a; a = (one + two) | 0;
    }
    state[0] += a; state[1] += b; state[2] += c; state[3] += d;
    state[4] += e; state[5] += f; state[6] += g; state[7] += h;
  }

  // Gives a function that tells with how many zero bits the hash of `text` and a number begins. What is the same each time is mixed once.
  function zeros(text) {
    const head = new TextEncoder().encode(text), whole = head.length - (head.length % 64);
    const start = new Int32Array(START), state = new Int32Array(8), end = new Uint8Array(128);
    for (let at = 0; at < whole; at += 64) mix(start, head, at);
    return (number) => {
      const digits = String(number), length = head.length - whole + digits.length;
      const size = length + 9 > 64 ? 128 : 64;
      end.fill(0);
      end.set(head.subarray(whole));
      for (let i = 0; i < digits.length; i++) end[head.length - whole + i] = digits.charCodeAt(i);
      end[length] = 0x80;
      new DataView(end.buffer).setUint32(size - 4, (whole + length) * 8);
      state.set(start);
      for (let at = 0; at < size; at += 64) mix(state, end, at);
      return Math.clz32(state[0]);
    };
  }

  // Looks in pieces, so that the page stays alive.
  function search(tell, bits, from, found) {
    for (let number = from; number < from + 10000; number++) {
      if (tell(number) >= bits) return found(number);
    }
    setTimeout(search, 0, tell, bits, from + 10000, found);
  }

  const { email, stamp, proof } = form.elements;
  const button = form.querySelector("button"), said = form.querySelector("[data-said]");
  email.addEventListener("input", () => { proof.value = ""; });
  // Also when somebody comes back to the page as it was left.
  window.addEventListener("pageshow", () => { button.disabled = false; proof.value = ""; said.textContent = ""; });
  form.addEventListener("submit", (event) => {
    if (proof.value) return;
    event.preventDefault();
    button.disabled = true;
    said.textContent = said.dataset.said;
    const tell = zeros(`${stamp.value}:${email.value.trim()}:`);
    setTimeout(search, 0, tell, Number(form.dataset.work), 0, (number) => { proof.value = number; form.submit(); });
  });
})();
