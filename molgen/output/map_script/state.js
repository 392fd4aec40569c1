"use strict";
// A map of molecules: points by WebGL, structures from 2D coordinates that were computed beforehand.
// All texts come from files that are not trusted: they reach the page by textContent and fillText alone.

const CARDS = 60; // structures shown at first, and by each `Show more`
const REACH = 14; // px from a point at which the pointer finds it
const LONGEST_BOND = 32; // px, so that a small molecule is not blown up
const LEVELS = 255; // of colour; 0 is a missing value
const FEWEST = 12000; // points drawn while the map moves, however slow the machine is
const REST = 160; // ms without a move after which all points are drawn again

// Viridis by Nathaniel Smith and Stefan van der Walt (CC0), at 9 places; its dark end is lightened in the dark scheme.
const VIRIDIS = ["#440154", "#472d7b", "#3b528b", "#2c728e", "#21918c", "#28ae80", "#5ec962", "#addc30", "#fde725"];
const VIRIDIS_ON_DARK = ["#7b4fb0", "#6c62bd", "#5477bd", "#418fb5", "#31a7a6", "#36bd8d", "#62d06b", "#addc30", "#fde725"];

const ELEMENT_COLOURS = {
  N: "nitrogen", O: "oxygen", S: "sulfur", F: "halogen", Cl: "halogen", Br: "bromine", I: "bromine",
  P: "phosphorus", C: "carbon", H: "carbon", D: "carbon",
};

const byId = (id) => document.getElementById(id);
const stage = byId("stage"), surface = byId("points"), overlay = byId("overlay"), card = byId("card");
const view = { x: 0, y: 0, zoom: 1, width: 1, height: 1, ratio: 1 };

let map; // { header, xy, values }
let molecules = null; // read after the first frame
let index; // grid of points, to find the nearest
let tint; // level of colour of each point
let selected; // 1 for each selected point
let chosen = []; // the selected points, in file order
let column = 0;
let hovered = -1;
let mode = "pan";
let lasso = null;
let gesture = null;
let range = null; // being dragged over the legend, as shares of its width
let painter = null;
let nCards = CARDS;
let isFramePending = false;
let arePointsStale = true; // pointing and lassos change only what is drawn above the points
let order; // the points in a random order, so that none lie on top because they came last in the file
let nMoving; // how many of them this machine can draw while the map moves
let rest = 0; // timer; 0 while the map is still
let lastFrame = 0;
