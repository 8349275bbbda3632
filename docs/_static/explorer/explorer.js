/* The explorer: sliders for i, k, s, p, d and a, and what they come to. No library, no network;
   sizes.js has the formulas. Every element with the class "explorer" becomes one. */

"use strict";

(() => {
  const RANGES = { i: [1, 32], k: [1, 9], s: [1, 6], p: [0, 8], d: [1, 4], a: [0, 5] };
  const START = { i: 12, k: 3, s: 2, p: 1, d: 1, a: 1 };
  const WORDS = {
    en: {
      i: "input size", k: "kernel size", s: "stride", p: "padding", d: "dilation",
      a: "output padding",
      conv: "Convolution", back: "Transposed convolution, back from", lost: (n) =>
        n === 0 ? "no position is lost" : n === 1 ? "1 position lies beyond the last window" :
          `${n} positions lie beyond the last window`,
      one: "sizes that it can come back to", phases: "taps per phase",
      even: "even", uneven: "uneven: checkerboard", holes: "uneven: holes",
      never: "The kernel does not fit: ", spans: (span, room) =>
        `it spans ${span} positions, the input and its padding have ${room}.`,
      nothing: "no output size is 1 or more: less padding is needed.",
      counts: "How many taps reach each output pixel; hatched: added by a; dashed: cut off by p.",
      windows: "Every window and its taps; dashed: padding; hatched: beyond the last window.",
      link: "link to this setting",
      comma: ", ", colon: ": ", within: (text) => ` (${text})`,
    },
    zh: {
      i: "输入尺寸", k: "卷积核大小", s: "步长", p: "填充", d: "膨胀", a: "输出填充",
      conv: "卷积", back: "转置卷积，输入尺寸", lost: (n) =>
        n === 0 ? "没有位置被丢掉" : `最后一个窗口之外剩下 ${n} 个位置`,
      one: "可以回到的尺寸", phases: "每个相位的抽头数",
      even: "均匀", uneven: "不均匀：棋盘效应", holes: "不均匀：有空洞",
      never: "卷积核放不下：", spans: (span, room) =>
        `它跨 ${span} 个位置，而输入加填充只有 ${room} 个。`,
      nothing: "没有不小于 1 的输出尺寸：填充太大。",
      counts: "每个输出像素收到几个抽头；斜线：由 a 添上的；虚线框：被 p 裁掉的。",
      windows: "每个窗口和它的抽头；虚线框：填充；斜线：最后一个窗口之外。",
      link: "此设置的链接",
      comma: "，", colon: "：", within: (text) => `（${text}）`,
    },
  };
  const words = WORDS[document.documentElement.lang.startsWith("zh") ? "zh" : "en"];
  let made = 0;

  /** Return the numbers that the address names, each in its range, the others as they start. */
  function fromAddress(address) {
    const asked = new URLSearchParams(address.search || address.hash.replace(/^#/, ""));
    const state = { ...START };
    for (const [letter, [low, high]] of Object.entries(RANGES)) {
      const text = asked.get(letter);
      if (text !== null && /^\d{1,4}$/.test(text))
        state[letter] = Math.min(high, Math.max(low, Number(text)));
    }
    return state;
  }

  const query = (state) => "?" + Object.keys(RANGES).map((x) => `${x}=${state[x]}`).join("&");

  const tag = (name, attributes, inside = "") =>
    `<${name}${Object.entries(attributes).map(([key, value]) => ` ${key}="${value}"`).join("")}>` +
    `${inside}</${name}>`;

  const svg = (width, height, told, inside) =>
    tag("svg", { viewBox: `-1 0 ${width + 2} ${height}`, width, height, role: "img", "aria-label": told },
      inside);

  /** One cell of a strip: its kind decides its looks, its text is written if there is room. */
  function cell(x, y, size, kind, text) {
    let drawn = tag("rect", { x, y, width: size - 1, height: size - 1, class: `cell ${kind}` });
    if (kind.includes("hatched"))
      drawn += tag("rect", {
        x, y, width: size - 1, height: size - 1, fill: `url(#explorer-hatch-${made})`,
      });
    if (text !== "" && size >= 12)
      drawn += tag("text", { x: x + (size - 1) / 2, y: y + size / 2, "font-size": size * 0.5 }, text);
    return drawn;
  }

  const hatch = () =>
    tag("pattern", {
      id: `explorer-hatch-${made}`, width: 5, height: 5, patternUnits: "userSpaceOnUse",
      patternTransform: "rotate(45)",
    }, tag("line", { x1: 0, y1: 0, x2: 0, y2: 5, class: "hatch" }));

  /** The padded input, the pixels that are lost, and under it a line a window, a dot a tap. */
  function drawWindows(state, width) {
    const { i, k, s, p, d } = state;
    const o = upshapeSizes.conv(i, state);
    const lost = o === null ? 0 : upshapeSizes.remainder(i, state);
    const cells = i + 2 * p;
    const size = Math.min(28, Math.floor(width / cells));
    const step = Math.max(5, Math.min(12, size * 0.5));
    let drawn = hatch();
    for (let n = 0; n < cells; n += 1) {
      const inside = n >= p && n < p + i;
      const kind = (inside ? "pixel" : "padding") + (n >= cells - lost ? " hatched" : "");
      drawn += cell(n * size, 1, size, kind, inside ? n - p : "");
    }
    for (let q = 0; q < (o || 0); q += 1) {
      const y = size + step * (q + 1);
      const at = (m) => (q * s + m * d + 0.5) * size;
      drawn += tag("line", { x1: at(0), y1: y, x2: at(k - 1), y2: y, class: "window" });
      for (let m = 0; m < k; m += 1)
        drawn += tag("circle", { cx: at(m), cy: y, r: Math.min(4, step * 0.38), class: "tap" });
    }
    const told = `i = ${i}, o = ${o}, a = ${lost}`;
    return svg(cells * size, size + step * ((o || 0) + 1), told, drawn);
  }

  /** What the transposed convolution writes: how many taps reach each position, cut to o. */
  function drawCounts(from, a, state, width) {
    const { k, s, p, d } = state;
    const o = upshapeSizes.transposed(from, a, state);
    const cells = Math.max((from - 1) * s + upshapeSizes.span(state) + a, p + o);
    const counts = new Array(cells).fill(0);
    for (let q = 0; q < from; q += 1) for (let m = 0; m < k; m += 1) counts[q * s + m * d] += 1;
    const size = Math.min(28, Math.floor(width / cells));
    const most = Math.max(...counts);
    const height = 8 * most;
    let drawn = hatch();
    counts.forEach((count, n) => {
      const inside = n >= p && n < p + o;
      const kind = (inside ? (count === 0 ? "empty" : "pixel") : "padding") +
        (inside && n >= p + o - a ? " hatched" : "");
      drawn += cell(n * size, height + 2, size, kind, inside ? count : "");
      if (inside && count)
        drawn += tag("rect", {
          x: n * size, y: height - 8 * count, width: size - 1, height: 8 * count, class: "bar",
        });
    });
    const told = `o = ${o}: ${counts.slice(p, p + o).join(" ")}`;
    return svg(cells * size, height + size + 3, told, drawn);
  }

  function torchCall({ k, s, p, d }, a) {
    const named = [["stride", s, 1], ["padding", p, 0], ["output_padding", a, 0], ["dilation", d, 1]];
    return [k, ...named.filter(([, value, usual]) => value !== usual).map(([n, v]) => `${n}=${v}`)]
      .join(", ");
  }

  /** Return the page's answer for a state. */
  function answer(state, width) {
    const { i } = state;
    const span = upshapeSizes.span(state);
    const o = upshapeSizes.conv(i, state);
    const heading = (text) => `<p class="line">${text}</p>`;
    if (o === null)
      return heading(`<strong>${words.conv}</strong>`) + drawWindows(state, width) +
        `<p class="no">${words.never}${words.spans(span, i + 2 * state.p)}</p>`;
    const lost = upshapeSizes.remainder(i, state);
    const found = upshapeSizes.choices(o, state);
    const taps = upshapeSizes.taps(state);
    const even = taps.every((count) => count === taps[0]);
    const verdict = even ? words.even : taps.includes(0) ? words.holes : words.uneven;
    let text = heading(`<strong>${words.conv}</strong> <span class="sizes">${i} → ${o}</span>` +
      `${words.comma}a = ${lost}${words.colon}${words.lost(lost)}`);
    text += drawWindows(state, width) + `<p class="told">${words.windows}</p>`;
    const chosen = found.find((pair) => pair.a === state.a);
    text += heading(`<strong>${words.back} ${o}</strong>${words.colon}${words.one}`);
    text += `<p class="pairs">${found.map((pair) =>
      `<button type="button" data-a="${pair.a}" aria-pressed="${pair === chosen}">` +
      `a = ${pair.a} → ${pair.o}</button>`).join(" ")}</p>`;
    if (found.length === 0) text += `<p class="no">${words.nothing}</p>`;
    if (chosen)
      text += drawCounts(o, chosen.a, state, width) + `<p class="told">${words.counts}</p>` +
        `<p class="line">${words.phases}${words.colon}${taps.join(", ")}${words.within(verdict)}</p>` +
        `<pre>nn.ConvTranspose2d(c, c, ${torchCall(state, chosen.a)})</pre>`;
    return text;
  }

  function start(box) {
    made += 1;
    const state = fromAddress(window.location);
    const page = box.dataset.page || "";
    const sliders = Object.entries(RANGES).map(([letter, [low, high]]) =>
      `<label><span><i>${letter}</i> ${words[letter]}</span>` +
      `<input type="range" name="${letter}" min="${low}" max="${high}"><output></output></label>`);
    box.innerHTML = `<form>${sliders.join("")}</form><div class="answer" aria-live="polite"></div>` +
      `<p class="told"><a class="here">${words.link}</a></p>`;
    const form = box.querySelector("form");
    const shown = box.querySelector(".answer");

    function show() {
      form.elements.a.max = state.s - 1;
      state.a = Math.min(state.a, state.s - 1);
      for (const letter of Object.keys(RANGES)) {
        form.elements[letter].value = state[letter];
        form.elements[letter].nextElementSibling.textContent = state[letter];
      }
      shown.innerHTML = answer(state, Math.max(200, shown.clientWidth));
      box.querySelector(".here").href = page + query(state);
    }

    function changed() {
      show();
      // The first screen keeps its address; the explorer's own page carries the setting in it.
      if (page === "") window.history.replaceState(null, "", query(state));
    }

    form.addEventListener("input", (event) => {
      state[event.target.name] = Number(event.target.value);
      changed();
    });
    form.addEventListener("submit", (event) => event.preventDefault());
    shown.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (!button) return;
      state.a = Number(button.dataset.a);
      changed();
      shown.querySelector(`button[data-a="${state.a}"]`).focus();
    });
    window.addEventListener("resize", show);
    show();
  }

  document.addEventListener("DOMContentLoaded", () =>
    document.querySelectorAll(".explorer").forEach(start));
})();
