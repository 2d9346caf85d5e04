-- many-upvalues.lua - as many locals, upvalues and constants as a function
-- may have.
-- status: 0
-- args: --cpu 2s --memory 32MiB
-- stdout: fine
local v0, v1, v2, v3, v4, v5, v6, v7, v8, v9, v10, v11, v12, v13, v14, v15, v16, v17, v18, v19, v20, v21, v22, v23, v24, v25, v26, v27, v28, v29, v30, v31, v32, v33, v34, v35, v36, v37, v38, v39, v40, v41, v42, v43, v44, v45, v46, v47, v48, v49, v50, v51, v52, v53, v54, v55, v56, v57, v58, v59 = 1
local v60, v61, v62, v63, v64, v65, v66, v67, v68, v69, v70, v71, v72, v73, v74, v75, v76, v77, v78, v79, v80, v81, v82, v83, v84, v85, v86, v87, v88, v89, v90, v91, v92, v93, v94, v95, v96, v97, v98, v99, v100, v101, v102, v103, v104, v105, v106, v107, v108, v109, v110, v111, v112, v113, v114, v115, v116, v117, v118, v119 = 1
local v120, v121, v122, v123, v124, v125, v126, v127, v128, v129, v130, v131, v132, v133, v134, v135, v136, v137, v138, v139, v140, v141, v142, v143, v144, v145, v146, v147, v148, v149, v150, v151, v152, v153, v154, v155, v156, v157, v158, v159, v160, v161, v162, v163, v164, v165, v166, v167, v168, v169, v170, v171, v172, v173, v174, v175, v176, v177, v178, v179 = 1
local function make()
  return function()
    return (v0 or 0) + (v1 or 0) + (v2 or 0) + (v3 or 0) + (v4 or 0) + (v5 or 0) + (v6 or 0) + (v7 or 0) +
      (v8 or 0) + (v9 or 0) + (v10 or 0) + (v11 or 0) + (v12 or 0) + (v13 or 0) + (v14 or 0) + (v15 or 0) +
      (v16 or 0) + (v17 or 0) + (v18 or 0) + (v19 or 0) + (v20 or 0) + (v21 or 0) + (v22 or 0) + (v23 or 0) +
      (v24 or 0) + (v25 or 0) + (v26 or 0) + (v27 or 0) + (v28 or 0) + (v29 or 0) + (v30 or 0) + (v31 or 0) +
      (v32 or 0) + (v33 or 0) + (v34 or 0) + (v35 or 0) + (v36 or 0) + (v37 or 0) + (v38 or 0) + (v39 or 0) +
      (v40 or 0) + (v41 or 0) + (v42 or 0) + (v43 or 0) + (v44 or 0) + (v45 or 0) + (v46 or 0) + (v47 or 0) +
      (v48 or 0) + (v49 or 0) + (v50 or 0) + (v51 or 0) + (v52 or 0) + (v53 or 0) + (v54 or 0) + (v55 or 0) +
      (v56 or 0) + (v57 or 0) + (v58 or 0) + (v59 or 0) + (v60 or 0) + (v61 or 0) + (v62 or 0) + (v63 or 0) +
      (v64 or 0) + (v65 or 0) + (v66 or 0) + (v67 or 0) + (v68 or 0) + (v69 or 0) + (v70 or 0) + (v71 or 0) +
      (v72 or 0) + (v73 or 0) + (v74 or 0) + (v75 or 0) + (v76 or 0) + (v77 or 0) + (v78 or 0) + (v79 or 0) +
      (v80 or 0) + (v81 or 0) + (v82 or 0) + (v83 or 0) + (v84 or 0) + (v85 or 0) + (v86 or 0) + (v87 or 0) +
      (v88 or 0) + (v89 or 0) + (v90 or 0) + (v91 or 0) + (v92 or 0) + (v93 or 0) + (v94 or 0) + (v95 or 0) +
      (v96 or 0) + (v97 or 0) + (v98 or 0) + (v99 or 0) + (v100 or 0) + (v101 or 0) + (v102 or 0) + (v103 or 0) +
      (v104 or 0) + (v105 or 0) + (v106 or 0) + (v107 or 0) + (v108 or 0) + (v109 or 0) + (v110 or 0) + (v111 or 0) +
      (v112 or 0) + (v113 or 0) + (v114 or 0) + (v115 or 0) + (v116 or 0) + (v117 or 0) + (v118 or 0) + (v119 or 0) +
      (v120 or 0) + (v121 or 0) + (v122 or 0) + (v123 or 0) + (v124 or 0) + (v125 or 0) + (v126 or 0) + (v127 or 0) +
      (v128 or 0) + (v129 or 0) + (v130 or 0) + (v131 or 0) + (v132 or 0) + (v133 or 0) + (v134 or 0) + (v135 or 0) +
      (v136 or 0) + (v137 or 0) + (v138 or 0) + (v139 or 0) + (v140 or 0) + (v141 or 0) + (v142 or 0) + (v143 or 0) +
      (v144 or 0) + (v145 or 0) + (v146 or 0) + (v147 or 0) + (v148 or 0) + (v149 or 0) + (v150 or 0) + (v151 or 0) +
      (v152 or 0) + (v153 or 0) + (v154 or 0) + (v155 or 0) + (v156 or 0) + (v157 or 0) + (v158 or 0) + (v159 or 0) +
      (v160 or 0) + (v161 or 0) + (v162 or 0) + (v163 or 0) + (v164 or 0) + (v165 or 0) + (v166 or 0) + (v167 or 0) +
      (v168 or 0) + (v169 or 0) + (v170 or 0) + (v171 or 0) + (v172 or 0) + (v173 or 0) + (v174 or 0) + (v175 or 0)
  end
end
assert(make()() == 3)
for _ = 1, 1000 do make()() end
print "fine"
