/* ---- frames ---- */

function refresh(isWhole = true) {
  arePointsStale ||= isWhole;
  if (isFramePending) return;
  isFramePending = true;
  requestAnimationFrame((now) => {
    isFramePending = false;
    if (rest) adapt(now - lastFrame);
    lastFrame = now;
    frame();
  });
}

// The view changed: until it rests, only as many points are drawn as this machine can follow with.
function moved() {
  clearTimeout(rest);
  rest = setTimeout(() => {
    rest = 0;
    refresh();
  }, REST);
  refresh();
}

function adapt(elapsed) {
  if (elapsed > 40 && elapsed < 2 * REST) nMoving = Math.max(Math.min(FEWEST, order.length), Math.round(nMoving * 0.6));
  else if (elapsed < 24) nMoving = Math.min(order.length, Math.round(nMoving * 1.25));
}

function frame() {
  if (arePointsStale) painter.paint(pointSize(), rest ? nMoving : order.length);
  arePointsStale = false;
  const context = overlay.getContext("2d");
  const style = getComputedStyle(document.documentElement);
  context.setTransform(view.ratio, 0, 0, view.ratio, 0, 0);
  context.clearRect(0, 0, view.width, view.height);
  if (hovered >= 0) {
    const [x, y] = onScreen(hovered);
    context.beginPath();
    context.arc(x, y, pointSize() / 2 + 3.5, 0, 2 * Math.PI);
    context.lineWidth = 2;
    context.strokeStyle = style.getPropertyValue("--ink");
    context.stroke();
  }
  if (lasso) {
    const pixels = pixelsPerUnit();
    context.beginPath();
    for (const [x, y] of lasso) {
      context.lineTo(view.width / 2 + (x - view.x) * pixels, view.height / 2 - (y - view.y) * pixels);
    }
    context.closePath();
    context.strokeStyle = style.getPropertyValue("--accent");
    context.lineWidth = 1.5;
    context.stroke();
    context.globalAlpha = 0.1;
    context.fillStyle = context.strokeStyle;
    context.fill();
    context.globalAlpha = 1;
  }
}

function resize() {
  view.width = stage.clientWidth;
  view.height = stage.clientHeight;
  view.ratio = window.devicePixelRatio || 1;
  for (const canvas of [surface, overlay]) {
    canvas.width = Math.round(view.width * view.ratio);
    canvas.height = Math.round(view.height * view.ratio);
  }
  arePointsStale = true;
  frame();
  drawLegend();
}

function zoomAt(x, y, factor) {
  const [mapX, mapY] = onMap(x, y);
  view.zoom = Math.min(20000, Math.max(0.3, view.zoom * factor));
  const [nowX, nowY] = onMap(x, y);
  view.x += mapX - nowX;
  view.y += mapY - nowY;
  hover(-1);
  moved();
}

function showAll() {
  Object.assign(view, { x: 0, y: 0, zoom: 1 });
  hover(-1);
  refresh();
}
