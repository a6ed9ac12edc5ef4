// SPDX-FileCopyrightText: 2026 The i2p_ros authors
// SPDX-License-Identifier: Apache-2.0
// Browsers start no workers from file://. The search of the site then runs in a hidden frame instead.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(url) {
      super();
      this.frame = document.createElement("iframe");
      this.frame.hidden = true;
      this.frame.srcdoc =
        `<script>window.postMessage = (data) => parent.postMessage(data, "*");</` +
        `script><script src="${url}"></` + `script>`;
      this.ready = new Promise((done) => this.frame.addEventListener("load", done));
      window.addEventListener("message", (event) => {
        if (event.source !== this.frame.contentWindow) return;
        const copy = new MessageEvent("message", { data: event.data });
        this.dispatchEvent(copy);
        this.onmessage?.(copy);
      });
      document.body.append(this.frame);
    }

    postMessage(data) {
      this.ready.then(() => {
        const inside = this.frame.contentWindow;
        inside.dispatchEvent(new inside.MessageEvent("message", { data }));
      });
    }

    terminate() {
      this.frame.remove();
    }
  };
}
